//! What opening the app costs: the list of chats with unread counts, and the newest page of one chat's history.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;
use godwit_contract::chat::v1::ListChatsRequest;
use godwit_contract::message::v1::ListMessagesRequest;
use godwit_kernel::ChatId;
use hdrhistogram::Histogram;
use tokio::time::Instant;

use crate::accounts::{Couple, prepare};
use crate::options::{Options, Reads};
use crate::report::Percentiles;

/// Measures each call of the first pair's receiver, one after the other.
pub async fn run(options: &Options, reads: &Reads) -> anyhow::Result<ExitCode> {
    let couple = prepare(options).await?.into_iter().next().context("--pairs is 0")?;
    let chat_id: ChatId = couple.chat.id.parse()?;
    let mut out = std::io::stdout();
    let reader = couple.receiver.session().context("the reader is logged out")?.user_id;
    writeln!(out, "chat {chat_id}  reader {reader}  {} calls each", reads.calls)?;
    let chat = couple.receiver.get_chat(chat_id).await?.chat.context("the server answered without a chat")?;
    writeln!(out, "newest seq {}  unread {}", chat.seq, chat.unread_count)?;
    writeln!(out, "{:<24}{:>9}{:>9}{:>9}", "latency, ms", "p50", "p99", "max")?;
    let calls: [(&str, Call); 4] = [
        ("history, newest page", Call::Newest),
        ("history, oldest page", Call::Oldest),
        ("list of chats", Call::List),
        ("one chat", Call::One),
    ];
    for (name, call) in calls {
        let found = measure(&couple, chat_id, call, reads.calls).await?;
        writeln!(out, "{name:<24}{:>9.2}{:>9.2}{:>9.2}", found.p50, found.p99, found.max)?;
    }
    Ok(ExitCode::SUCCESS)
}

#[derive(Clone, Copy)]
enum Call {
    Newest,
    Oldest,
    List,
    One,
}

async fn measure(couple: &Couple, chat_id: ChatId, call: Call, count: u32) -> anyhow::Result<Percentiles> {
    let client = &couple.receiver;
    let mut histogram = Histogram::<u64>::new_with_bounds(1, 120_000_000, 3)?;
    for _ in 0..count {
        let begun_at = Instant::now();
        match call {
            Call::Newest => drop(client.list_messages(chat_id, &ListMessagesRequest::default()).await?),
            Call::Oldest => {
                let oldest = ListMessagesRequest { after_seq: Some(0), ..ListMessagesRequest::default() };
                drop(client.list_messages(chat_id, &oldest).await?);
            }
            Call::List => drop(client.list_chats(&ListChatsRequest::default()).await?),
            Call::One => drop(client.get_chat(chat_id).await?),
        }
        histogram.saturating_record(u64::try_from(begun_at.elapsed().as_micros())?);
    }
    Ok(Percentiles::of(&histogram))
}
