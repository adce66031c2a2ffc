//! An index that is built again by another name, while people write and search.

use std::collections::BTreeSet;

use godwit_contract::v1::server_frame::Frame;
use godwit_testkit::{Shape, TestCluster, eventually};

use super::SOON;
use crate::support::{Account, Encoding, Pair, TableLock, all_found, query, unique};

/// Some pages of a build.
const MESSAGES: usize = 600;

/// Everything that was written, and what of it is found at every moment.
struct Written<'a> {
    pair: &'a Pair,
    word: String,
    all: BTreeSet<String>,
    found: BTreeSet<String>,
}

impl Written<'_> {
    /// Writes one more, which is found soon and from then on.
    async fn write_and_find(&mut self) {
        let number = self.all.len();
        let text = format!("{} {number}", self.word);
        let message = self.pair.ada.send(&self.pair.chat_id, &format!("again-{number}"), &text).await;
        self.all.insert(message.id.clone());
        eventually(SOON, async || ids(&self.pair.bob, &self.word).await.contains(&message.id)).await;
        self.found.insert(message.id);
        self.assert_still_found().await;
    }

    async fn assert_still_found(&self) {
        let found = ids(&self.pair.bob, &self.word).await;
        let missing: Vec<_> = self.found.difference(&found).collect();
        assert!(missing.is_empty(), "{} of {} are not found now: {missing:?}", missing.len(), self.found.len());
    }
}

async fn ids(person: &Account, word: &str) -> BTreeSet<String> {
    let found = all_found(person, word).await.unwrap();
    let (count, ids) = (found.len(), BTreeSet::from_iter(found));
    assert_eq!(ids.len(), count, "nothing is found twice");
    ids
}

/// Writes many at once; the ids and seqs.
async fn write_many(pair: &Pair, word: &str) -> Vec<(String, u64)> {
    let mut socket = pair.ada.connect(Encoding::Binary).await;
    for number in 0..MESSAGES {
        let id = number.to_string();
        socket.send_message(&id, &pair.chat_id, &format!("m{number}"), &format!("{word} {number}")).await;
    }
    let mut written = Vec::new();
    while written.len() < MESSAGES {
        let ack = socket.until("an ack", |frame| match frame.frame {
            Some(Frame::Ack(ack)) => ack.message,
            _ => None,
        });
        let message = ack.await;
        written.push((message.id, message.seq));
    }
    written
}

#[tokio::test]
async fn what_is_written_before_while_and_after_the_index_is_built_again_is_found_throughout() {
    let mut cluster = TestCluster::start(Shape::Embedded).await;
    let database_url = cluster.database_url().to_owned();
    let pair = Pair::create(&cluster).await;
    let word = unique("dunlin");
    let before = write_many(&pair, &word).await;
    eventually(SOON, async || ids(&pair.bob, &word).await.len() == MESSAGES).await;
    let built = "SELECT count(*) FROM search.builds WHERE ended_at IS NOT NULL AND label LIKE '%/";
    eventually(SOON, async || query(&database_url, &format!("{built}1'")) == "3").await;

    // Half of the index is lost, so that only a build brings it back.
    query(&database_url, "DELETE FROM search.entries WHERE seq % 2 = 0");
    let all: BTreeSet<String> = before.iter().map(|(id, _)| id.clone()).collect();
    let found: BTreeSet<String> = before.iter().filter(|(_, seq)| seq % 2 == 1).map(|(id, _)| id.clone()).collect();
    assert_eq!(ids(&pair.bob, &word).await, found);
    let mut written = Written { pair: &pair, word, all, found };

    // The build cannot begin yet.
    let lock = TableLock::take(&database_url, "search.builds").await;
    cluster.stop("all").await;
    cluster.set("all", "GODWIT_SEARCH_INDEX_NAME", "2");
    cluster.start_again("all").await;
    written.write_and_find().await;
    assert_eq!(ids(&pair.bob, &written.word).await, written.found, "nothing was built");
    drop(lock);
    while query(&database_url, &format!("{built}2'")) != "3" {
        written.write_and_find().await;
    }

    assert_eq!(ids(&pair.bob, &written.word).await, written.all);
    written.write_and_find().await;
    assert_eq!(ids(&pair.bob, &written.word).await, written.all);
}
