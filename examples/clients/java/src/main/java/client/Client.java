package client;

import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.MetadataUtils;
import java.util.concurrent.TimeUnit;
import org.example.botrunner.v1.BotServiceGrpc;
import org.example.botrunner.v1.ErrorDetail;
import org.example.botrunner.v1.GetBotRequest;
import org.example.botrunner.v1.ListBotsRequest;
import org.example.botrunner.v1.WatchBotsRequest;

/** Lists the caller's bots, reads a typed refusal, and watches until a deadline. */
public final class Client {
  private static final Metadata.Key<byte[]> ERROR =
      Metadata.Key.of("botrunner-error-bin", Metadata.BINARY_BYTE_MARSHALLER);

  public static void main(String[] arguments) throws Exception {
    var address = System.getenv().getOrDefault("AVTOMATIKA_ADDRESS", "localhost:8000");
    var token = new Metadata();
    token.put(
        Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER),
        "Bearer " + System.getenv("AVTOMATIKA_TOKEN"));
    var channel = Grpc.newChannelBuilder(address, InsecureChannelCredentials.create()).build();
    var bots =
        BotServiceGrpc.newBlockingStub(channel)
            .withInterceptors(MetadataUtils.newAttachHeadersInterceptor(token));

    var list = bots.listBots(ListBotsRequest.getDefaultInstance());
    System.out.printf("bots: %d of %d%n", list.getCount(), list.getMaxBots());

    try {
      bots.getBot(GetBotRequest.newBuilder().setBotId("nobody").build());
    } catch (StatusRuntimeException refusal) {
      var trailers = Status.trailersFromThrowable(refusal);
      var bytes = trailers == null ? null : trailers.get(ERROR);
      var detail = ErrorDetail.parseFrom(bytes == null ? new byte[0] : bytes);
      System.out.printf(
          "refused: %s %s: %s%n",
          refusal.getStatus().getCode(), detail.getCode(), detail.getHint());
    }

    // The deadline goes to the server with the request, and the stream that it cuts says so.
    var ended = "complete";
    try {
      var events =
          bots.withDeadlineAfter(250, TimeUnit.MILLISECONDS)
              .watchBots(WatchBotsRequest.getDefaultInstance());
      while (events.hasNext()) events.next();
    } catch (StatusRuntimeException end) {
      ended = end.getStatus().getCode().toString();
    }
    System.out.printf("watched: %s%n", ended);
    channel.shutdownNow().awaitTermination(5, TimeUnit.SECONDS);
  }
}
