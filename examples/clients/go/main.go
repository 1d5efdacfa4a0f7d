// Lists the caller's bots, reads a typed refusal, and watches until a deadline: go run . (from this folder)
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	botrunnerv1 "example.com/client/stubs/botrunner/v1"
)

func main() {
	address := os.Getenv("AVTOMATIKA_ADDRESS")
	if address == "" {
		address = "localhost:8000"
	}
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		panic(err)
	}
	defer connection.Close()
	bots := botrunnerv1.NewBotServiceClient(connection)
	ctx := metadata.AppendToOutgoingContext(context.Background(), "authorization", "Bearer "+os.Getenv("AVTOMATIKA_TOKEN"))

	list, err := bots.ListBots(ctx, &botrunnerv1.ListBotsRequest{})
	if err != nil {
		panic(err)
	}
	fmt.Printf("bots: %d of %d\n", list.Count, list.MaxBots)

	var trailer metadata.MD
	_, err = bots.GetBot(ctx, &botrunnerv1.GetBotRequest{BotId: "nobody"}, grpc.Trailer(&trailer))
	detail := &botrunnerv1.ErrorDetail{}
	if values := trailer.Get("botrunner-error-bin"); len(values) > 0 {
		if err := proto.Unmarshal([]byte(values[0]), detail); err != nil {
			panic(err)
		}
	}
	fmt.Printf("refused: %s %s: %s\n", status.Code(err), detail.Code, detail.Hint)

	fmt.Printf("submitted: %d jobs\n", submit(ctx, botrunnerv1.NewJobServiceClient(connection), 100))

	// A stream that is cut by its deadline says so; one that is complete ends with io.EOF.
	ended := map[string]int{}
	ends := make(chan string)
	for range 60 {
		go func() { ends <- watch(ctx, bots) }()
	}
	for range 60 {
		ended[<-ends]++
	}
	fmt.Printf("watched: %v\n", ended)
}

// submit sends jobs on one stream, as fast as a queue takes them, and counts those that are on disk.
func submit(ctx context.Context, jobs botrunnerv1.JobServiceClient, count int) int {
	stream, err := jobs.SubmitJobs(ctx)
	if err != nil {
		panic(err)
	}
	data, err := structpb.NewStruct(map[string]any{"action": "list"})
	if err != nil {
		panic(err)
	}
	go func() {
		for number := range count {
			request := &botrunnerv1.SubmitJobsRequest{Number: uint64(number), Blueprint: "bot_runner", Data: data}
			if stream.Send(request) != nil {
				return // the error is Recv's too
			}
		}
		stream.CloseSend()
	}()
	accepted := 0
	for {
		answer, err := stream.Recv()
		if err == io.EOF {
			return accepted
		}
		if err != nil {
			panic(err)
		}
		if answer.GetJobId() != "" {
			accepted++
		}
	}
}

func watch(ctx context.Context, bots botrunnerv1.BotServiceClient) string {
	ctx, cancel := context.WithTimeout(ctx, 250*time.Millisecond)
	defer cancel()
	stream, err := bots.WatchBots(ctx, &botrunnerv1.WatchBotsRequest{})
	for err == nil {
		_, err = stream.Recv()
	}
	if err == io.EOF {
		return "complete"
	}
	return status.Code(err).String()
}
