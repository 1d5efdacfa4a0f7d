# Deploys a bot over gRPC, watches its job, follows its log, and shows what a refusal looks like.
#
#     apt install ruby ruby-grpc protobuf-compiler protobuf-compiler-grpc
#     npx buf generate --template examples/clients/buf.gen.yaml
#     AVTOMATIKA_TOKEN=test-client-token ruby examples/clients/ruby/deploy.rb my-bot examples/bots/echo_bot_stdlib.py
#
# Environment: AVTOMATIKA_ADDRESS (default localhost:8000), AVTOMATIKA_TOKEN, BOT_TOKEN (handed to the bot if set).

require 'digest'
require 'rubygems/package'
require 'securerandom'
require 'stringio'

$LOAD_PATH.unshift(File.join(__dir__, 'stubs'))
require 'botrunner/v1/artifact_service_services_pb'
require 'botrunner/v1/bot_service_services_pb'
require 'botrunner/v1/error_pb'
require 'botrunner/v1/job_service_services_pb'

include Botrunner::V1

CHUNK_BYTES = 256 * 1024
$stdout.sync = true

# A tar with the one file; paths in it are relative to the bot's folder.
def pack(path)
  out = StringIO.new(''.b)
  content = File.binread(path)
  Gem::Package::TarWriter.new(out) do |tar|
    tar.add_file_simple(File.basename(path), 0o644, content.bytesize) { |file| file.write(content) }
  end
  out.string
end

# The ErrorDetail of a refusal: code, message, hint and example. It comes in the trailer botrunner-error-bin.
def typed_error(error)
  ErrorDetail.decode(error.metadata.fetch('botrunner-error-bin', ''))
end

def in_seconds(count)
  Time.now + count
end

# Prints what happens to a job until it has ended; returns the job as it is then.
def watch(jobs, job, auth)
  jobs.watch_job(WatchJobRequest.new(job_id: job.job_id), metadata: auth).each do |message|
    case message.update
    when :job
      job = message.job
      puts "job #{job.state}: #{job.status}"
    when :build_output
      message.build_output.entries.each { |entry| puts "  | #{entry.text}" }
    end
  end
  job
end

bot_id, path = ARGV
abort 'Usage: deploy.rb BOT_ID FILE' unless bot_id && path
address = ENV.fetch('AVTOMATIKA_ADDRESS', 'localhost:8000')
auth = { 'authorization' => "Bearer #{ENV.fetch('AVTOMATIKA_TOKEN')}" }
artifacts, bots, jobs = [ArtifactService, BotService, JobService].map do |service|
  service::Stub.new(address, :this_channel_is_insecure)
end

data = pack(path)
pieces = (0...data.bytesize).step(CHUNK_BYTES).map do |at|
  sha256 = at.zero? ? Digest::SHA256.hexdigest(data) : ''
  UploadArtifactRequest.new(chunk: data.byteslice(at, CHUNK_BYTES), expected_sha256: sha256)
end
artifact = artifacts.upload_artifact(pieces, metadata: auth, deadline: in_seconds(60))
puts "uploaded #{artifact.size_bytes} bytes"

env = ENV.slice('BOT_TOKEN')
source = SimpleSource.new(artifact_sha256: artifact.sha256, entrypoint: File.basename(path))
request = StartBotRequest.new(bot_id: bot_id, spec: BotSpec.new(simple: source, env: env))
# The same key and request give the same job: safe to repeat when the connection breaks.
once = auth.merge('idempotency-key' => SecureRandom.uuid)
job = watch(jobs, bots.start_bot(request, metadata: once, deadline: in_seconds(60)).job, auth)
abort "#{job.error.code}: #{job.error.message}\n#{job.error.hint}" unless job.status == :JOB_STATUS_COMPLETED

follow = bots.stream_logs(
  StreamLogsRequest.new(bot_id: bot_id, lines: 20, follow: true), metadata: auth, return_op: true
)
begin
  seen = 0
  follow.execute.each do |batch|
    batch.entries.each { |entry| puts "log: #{entry.text}" }
    seen += batch.entries.size
    follow.cancel if seen >= 3
  end
rescue GRPC::Cancelled
  puts 'enough of the log'
end

begin
  bots.get_bot(GetBotRequest.new(bot_id: 'no-such-bot'), metadata: auth, deadline: in_seconds(10))
rescue GRPC::NotFound => error
  detail = typed_error(error)
  puts "refused: NOT_FOUND #{detail.code}: #{detail.hint}"
end

job = watch(jobs, bots.stop_bot(StopBotRequest.new(bot_id: bot_id), metadata: auth, deadline: in_seconds(60)).job, auth)
puts "stopped: #{job.result.fields['status'].string_value}"
