//! Lists the caller's bots, reads a typed refusal, and watches until a deadline: cargo run (from this folder).
use prost::Message;
use std::{env, error::Error, time::Duration};
use tonic::{Request, Status, metadata::MetadataValue, transport::Endpoint};

mod botrunner {
    tonic::include_proto!("botrunner.v1");
}
use botrunner::{ErrorDetail, GetBotRequest, ListBotsRequest, WatchBotsRequest, bot_service_client::BotServiceClient};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = env::var("AVTOMATIKA_ADDRESS").unwrap_or("localhost:8000".into());
    let channel = Endpoint::from_shared(format!("http://{address}"))?.connect().await?;
    let token: MetadataValue<_> = format!("Bearer {}", env::var("AVTOMATIKA_TOKEN")?).parse()?;
    let mut bots = BotServiceClient::with_interceptor(channel, move |mut request: Request<()>| {
        request.metadata_mut().insert("authorization", token.clone());
        Ok(request)
    });

    let list = bots.list_bots(ListBotsRequest::default()).await?.into_inner();
    println!("bots: {} of {}", list.count, list.max_bots);

    let absent = GetBotRequest { bot_id: "nobody".into(), ..Default::default() };
    let refusal = bots.get_bot(absent).await.expect_err("there is no such bot");
    let detail = detail_of(&refusal)?;
    println!("refused: {:?} {}: {}", refusal.code(), detail.code, detail.hint);

    // The deadline goes to the server with the request, and the stream that it cuts says so.
    let mut request = Request::new(WatchBotsRequest::default());
    request.set_timeout(Duration::from_millis(250));
    let mut stream = bots.watch_bots(request).await?.into_inner();
    let ended = loop {
        match stream.message().await {
            Ok(Some(_)) => continue,
            Ok(None) => break "complete".into(),
            Err(status) => break format!("{:?}", status.code()),
        }
    };
    println!("watched: {ended}");
    Ok(())
}

fn detail_of(status: &Status) -> Result<ErrorDetail, Box<dyn Error>> {
    match status.metadata().get_bin("botrunner-error-bin") {
        Some(value) => Ok(ErrorDetail::decode(value.to_bytes()?)?),
        None => Ok(ErrorDetail::default()),
    }
}
