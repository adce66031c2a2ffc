use std::time::Duration;

use godwit_contract::search::v1::SearchMessagesResponse;
use godwit_contract::v1::Update;
use godwit_contract::v1::update::Change;
use godwit_testkit::eventually;

use super::Account;

/// The index follows a stream that may have to find its way again first.
const INDEXED_WITHIN: Duration = Duration::from_secs(120);

/// The index took the same log: by this word, which every message has that begins with `start`, it finds each of them, and
/// none twice.
pub async fn assert_all_found(person: &Account, word: &str, log: &[Update], start: &str) {
    let mut logged = messages_of(log, start);
    logged.sort_unstable();
    assert!(!logged.is_empty(), "there is something to find");
    eventually(INDEXED_WITHIN, || async {
        let mut found = all_found(person, word).await?;
        found.sort_unstable();
        if found == logged {
            return Ok(());
        }
        let missing: Vec<&String> = logged.iter().filter(|id| found.binary_search(id).is_err()).take(5).collect();
        Err(format!("{} of {} are found; missing are {missing:?}", found.len(), logged.len()))
    })
    .await;
}

fn messages_of(log: &[Update], start: &str) -> Vec<String> {
    let created = log.iter().filter_map(|update| match &update.change {
        Some(Change::MessageCreated(created)) => created.message.as_ref(),
        _ => None,
    });
    created.filter(|message| message.text.starts_with(start)).map(|message| message.id.clone()).collect()
}

/// The ids of all hits, page by page.
pub async fn all_found(person: &Account, word: &str) -> Result<Vec<String>, String> {
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let answer = person.rest.get(&format!("/search/messages?q={word}&limit=200&cursor={cursor}")).await;
        if answer.status != 200 {
            return Err(format!("the search answers {}", answer.status));
        }
        let page: SearchMessagesResponse = answer.ok();
        found.extend(page.messages.into_iter().map(|message| message.id));
        if page.next_cursor.is_empty() {
            return Ok(found);
        }
        cursor = page.next_cursor;
    }
}
