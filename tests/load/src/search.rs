//! What search costs: rare, common, two and half-typed words for members of 5, 50 and all chats; and how long until
//! what was sent is found. The chats are the same in every run with the same accounts, so that they can be filled in
//! between.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use godwit_client::Client;
use godwit_contract::chat::v1::CreateGroupRequest;
use godwit_contract::search::v1::{SearchMessagesRequest, SearchOrder};
use godwit_kernel::ChatId;
use hdrhistogram::Histogram;
use tokio::time::{Instant, sleep};

use crate::accounts::{patiently, people};
use crate::options::{Options, Search};
use crate::report::Percentiles;
use crate::run::run_name;

const CONCURRENCY: usize = 16;
/// How many chats the members are in who are not in all.
const FEW: [u32; 2] = [5, 50];
/// Between two looks for what was just sent.
const LOOK: Duration = Duration::from_millis(2);
/// What was sent is given up.
const GIVE_UP: Duration = Duration::from_secs(60);

/// Makes the chats, and measures unless only these are asked for.
pub async fn run(options: &Options, search: &Search) -> anyhow::Result<ExitCode> {
    let [writer, members @ ..] = &people(options, FEW.len() + 2).await?[..] else { anyhow::bail!("nobody is there") };
    let chats = chats(writer, members, search.chats).await?;
    let mut out = std::io::stdout();
    writeln!(out, "chats {}", chats.len())?;
    if search.prepare {
        return Ok(ExitCode::SUCCESS);
    }
    writeln!(out, "{:<34}{:>7}{:>9}{:>9}{:>9}", "latency, ms", "hits", "p50", "p99", "max")?;
    let counts = FEW.into_iter().chain([search.chats]);
    for (member, count) in members.iter().zip(counts) {
        for (name, words, order) in search.questions() {
            let request =
                SearchMessagesRequest { q: words.to_owned(), order: order.into(), ..SearchMessagesRequest::default() };
            let (hit_count, found) = measure(member, &request, search.calls).await?;
            let title = format!("{name}, {count} chats");
            writeln!(out, "{title:<34}{hit_count:>7}{:>9.2}{:>9.2}{:>9.2}", found.p50, found.p99, found.max)?;
        }
    }
    let first = *chats.first().context("there is no chat")?;
    let member = members.first().context("nobody is there")?;
    let found = lag(writer, member, first, search.sends).await?;
    writeln!(out, "{:<34}{:>7}{:>9.2}{:>9.2}{:>9.2}", "sent until found", "", found.p50, found.p99, found.max)?;
    Ok(ExitCode::SUCCESS)
}

impl Search {
    fn questions(&self) -> [(&'static str, &str, SearchOrder); 5] {
        [
            ("rare word", &self.rare, SearchOrder::Newest),
            ("common word", &self.common, SearchOrder::Newest),
            ("two words", &self.two, SearchOrder::Newest),
            ("half-typed word", &self.typed, SearchOrder::Newest),
            ("common word by relevance", &self.common, SearchOrder::Relevance),
        ]
    }
}

/// The groups of the writer: the first members are in the first few, the last one in all.
async fn chats(writer: &Client, members: &[Client], count: u32) -> anyhow::Result<Vec<ChatId>> {
    let ids = members.iter().map(|member| Ok(member.session().context("a member is logged out")?.user_id));
    let ids: Vec<String> = ids.collect::<anyhow::Result<_>>()?;
    let make = |number: u32| {
        let is_in = |place: &usize| FEW.get(*place).is_none_or(|few| number < *few);
        let member_ids = ids.iter().enumerate().filter(|(place, _)| is_in(place)).map(|(_, id)| id.clone()).collect();
        let (title, client_chat_id) = (format!("Search {number}"), format!("search-{number}"));
        let request = CreateGroupRequest { title, member_ids, client_chat_id, ..CreateGroupRequest::default() };
        async move {
            let answer = patiently(async || writer.create_group(&request).await).await?;
            let chat = answer.chat.context("the server answered without a chat")?;
            anyhow::Ok(chat.id.parse::<ChatId>()?)
        }
    };
    stream::iter(0..count).map(make).buffered(CONCURRENCY).try_collect().await
}

/// How many hits the first page has, and how long it takes.
async fn measure(member: &Client, request: &SearchMessagesRequest, calls: u32) -> anyhow::Result<(usize, Percentiles)> {
    let mut histogram = Histogram::<u64>::new_with_bounds(1, 120_000_000, 3)?;
    let hit_count = member.search_messages(request).await?.messages.len();
    for _ in 0..calls {
        let begun_at = Instant::now();
        let found = member.search_messages(request).await?;
        histogram.saturating_record(u64::try_from(begun_at.elapsed().as_micros())?);
        ensure!(found.messages.len() == hit_count, "{} hits, and {hit_count} before", found.messages.len());
    }
    Ok((hit_count, Percentiles::of(&histogram)))
}

/// From the call that sends until the message is found.
async fn lag(writer: &Client, member: &Client, chat_id: ChatId, sends: u32) -> anyhow::Result<Percentiles> {
    let mut histogram = Histogram::<u64>::new_with_bounds(1, 120_000_000, 3)?;
    let run = run_name();
    for number in 0..sends {
        let word = format!("lag{run}x{number}");
        let begun_at = Instant::now();
        writer.send_message(chat_id, &word, &word).await.context("a message cannot be sent")?;
        let request = SearchMessagesRequest { q: format!("{word} "), ..SearchMessagesRequest::default() };
        while member.search_messages(&request).await?.messages.is_empty() {
            ensure!(begun_at.elapsed() < GIVE_UP, "a message is not found");
            sleep(LOOK).await;
        }
        histogram.saturating_record(u64::try_from(begun_at.elapsed().as_micros())?);
    }
    Ok(Percentiles::of(&histogram))
}
