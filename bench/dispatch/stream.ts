/** One SubmitJobs stream over grpc-js, as used by a caller that submits all day. */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import {
  type SubmitJobsRequest,
  SubmitJobsRequestSchema,
  SubmitJobsResponseSchema,
} from '#gen/botrunner/v1/job_service_pb.js';

export interface JobStream {
  /** Resolves when the job is accepted. */
  submit(data: Record<string, string>): Promise<void>;
  close(): void;
}

export function openStream(port: number, token: string): JobStream {
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  const metadata = new Metadata();
  metadata.set('authorization', `Bearer ${token}`);
  const stream = client.makeBidiStreamRequest(
    '/botrunner.v1.JobService/SubmitJobs',
    (message: SubmitJobsRequest) => Buffer.from(toBinary(SubmitJobsRequestSchema, message)),
    (bytes) => fromBinary(SubmitJobsResponseSchema, bytes),
    metadata,
  );
  const waiting = new Map<bigint, { resolve: () => void; reject: (error: Error) => void }>();
  stream.on('data', ({ number, outcome }) => {
    const answered = waiting.get(number);
    waiting.delete(number);
    if (outcome.case === 'jobId') answered?.resolve();
    else answered?.reject(new Error(`refused: ${outcome.value?.message}`));
  });
  stream.on('error', (error) => {
    for (const { reject } of waiting.values()) reject(error);
  });
  let next = 0n;
  return {
    submit(data) {
      const number = next++;
      const answered = new Promise<void>((resolve, reject) => waiting.set(number, { resolve, reject }));
      stream.write(create(SubmitJobsRequestSchema, { number, blueprint: 'bot_runner', data }));
      return answered;
    },
    close() {
      stream.cancel();
      client.close();
    },
  };
}
