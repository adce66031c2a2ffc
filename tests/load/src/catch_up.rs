//! Somebody who was away: everything that was missed, by `POST /sync` until nothing is left.

use std::collections::HashMap;
use std::io::Write as _;
use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use godwit_client::Client;
use godwit_contract::chat::v1::CreateGroupRequest;
use godwit_contract::message::v1::{SyncRequest, SyncResponse};
use godwit_kernel::ChatId;
use tokio::time::{Instant, sleep};

use crate::accounts::{patiently, people};
use crate::options::{CatchUp, Options};
use crate::run::run_name;

const CONCURRENCY: usize = 32;
/// Updates of the last 2 s may come twice: who is away is away for longer.
const AWAY: std::time::Duration = std::time::Duration::from_secs(4);

/// One writes to many groups while the other is away, who then catches up.
pub async fn run(options: &Options, catch_up: &CatchUp) -> anyhow::Result<ExitCode> {
    let [writer, reader] = &people(options, 2).await?[..] else { anyhow::bail!("two people are needed") };
    let run = run_name();
    let chats = groups(writer, reader, catch_up.chats, &run).await?;
    sleep(AWAY).await;
    let cursor = reader.sync(&SyncRequest::default()).await?.next_cursor;
    let missed = write(writer, &chats, catch_up.messages_each, &run).await?;

    let begun_at = Instant::now();
    let found = read(reader, cursor).await?;
    let secs = begun_at.elapsed().as_secs_f64();
    ensure!(found.gap_count == 0, "{} gaps", found.gap_count);
    ensure!(found.update_count >= missed, "{} of {missed} updates", found.update_count);
    let per_sec = f64::from(found.update_count) / secs;
    writeln!(
        std::io::stdout(),
        "caught up with {} updates of {} chats in {} calls and {secs:.3} s: {per_sec:.0} updates/s, no gap",
        found.update_count,
        chats.len(),
        found.call_count,
    )?;
    Ok(ExitCode::SUCCESS)
}

async fn groups(writer: &Client, reader: &Client, count: u32, run: &str) -> anyhow::Result<Vec<ChatId>> {
    let reader_id = reader.session().context("a reader is logged out")?.user_id;
    let make = |number: u32| {
        let request = CreateGroupRequest {
            title: format!("Group {number}"),
            member_ids: vec![reader_id.clone()],
            client_chat_id: format!("{run}-{number}"),
            ..CreateGroupRequest::default()
        };
        async move {
            let answer = patiently(async || writer.create_group(&request).await).await?;
            let chat = answer.chat.context("the server answered without a chat")?;
            anyhow::Ok(chat.id.parse::<ChatId>()?)
        }
    };
    stream::iter(0..count).map(make).buffered(CONCURRENCY).try_collect().await
}

/// How many messages were written.
async fn write(writer: &Client, chats: &[ChatId], each: u32, run: &str) -> anyhow::Result<u32> {
    let sends = chats.iter().flat_map(|chat| (0..each).map(move |number| (*chat, number)));
    stream::iter(sends)
        .map(|(chat, number)| async move {
            let id = format!("{run}-{number}");
            patiently(async || writer.send_message(chat, &id, "What you missed").await).await
        })
        .buffer_unordered(CONCURRENCY)
        .try_fold(0, async |count, _| Ok(count + 1))
        .await
        .context("a message cannot be sent")
}

struct Found {
    update_count: u32,
    call_count: u32,
    gap_count: u32,
}

async fn read(reader: &Client, mut cursor: String) -> anyhow::Result<Found> {
    let mut found = Found { update_count: 0, call_count: 0, gap_count: 0 };
    let mut seqs: HashMap<String, u64> = HashMap::new();
    loop {
        let request = SyncRequest { cursor, limit: 1_000, with_state: false };
        let SyncResponse { chats, next_cursor, has_more, reset, .. } = reader.sync(&request).await?;
        ensure!(!reset, "the cursor was refused");
        found.call_count += 1;
        for update in chats.into_iter().flat_map(|chat| chat.updates) {
            let last = seqs.entry(update.chat_id).or_insert(update.seq - 1);
            found.gap_count += u32::from(update.seq > *last + 1);
            found.update_count += u32::from(update.seq > *last);
            *last = update.seq.max(*last);
        }
        if !has_more {
            return Ok(found);
        }
        cursor = next_cursor;
    }
}
