use std::collections::BTreeMap;
use std::time::Duration;

use godwit_contract::message::v1::SendMessageResponse;
use godwit_contract::v1::Update;
use godwit_contract::v1::update::Change;
use godwit_kernel::{Clock as _, SystemClock};
use godwit_testkit::eventually;
use serde_json::json;
use time::format_description::well_known::Rfc3339;

use super::{Account, unique};

/// After now, when what is scheduled is due: further ahead than the least that is taken, and while something that is killed
/// right away is still starting again.
const DUE_AFTER: [Duration; 3] = [Duration::from_secs(3), Duration::from_secs(4), Duration::from_secs(5)];
const TAKEN_WITHIN: Duration = Duration::from_secs(60);
/// After the last was due and everything ran again.
const SENT_WITHIN: Duration = Duration::from_secs(60);

/// What was taken to be sent later, against what the log holds in the end.
#[derive(Default)]
pub struct Later {
    texts: Vec<String>,
}

impl Later {
    /// Schedules some messages that are due within the next seconds.
    pub async fn schedule(&mut self, sender: &Account, chat_id: &str) {
        for after in DUE_AFTER {
            let taken = eventually(TAKEN_WITHIN, async || Self::try_schedule(sender, chat_id, after).await).await;
            self.texts.push(taken);
        }
    }

    /// Its text, when it was taken. What was not answered, or was too late for its time, is another message next time.
    async fn try_schedule(sender: &Account, chat_id: &str, after: Duration) -> Result<String, String> {
        let text = unique("later-");
        let send_at = (SystemClock.now() + after).format(&Rfc3339).unwrap();
        let body = json!({"client_message_id": text, "text": text, "send_at": send_at});
        match sender.rest.try_post(&format!("/chats/{chat_id}/messages"), body).await {
            Some(answer) if answer.status == 201 => {
                assert!(answer.created::<SendMessageResponse>().scheduled.is_some());
                Ok(text)
            }
            answer => Err(format!("{answer:?}")),
        }
    }

    /// Waits until everything is sent, and then has each once.
    pub async fn assert_sent_once(&self, reader: &Account, chat_id: &str) {
        assert!(!self.texts.is_empty(), "something was scheduled");
        eventually(SENT_WITHIN, || async {
            let sent = counts(&reader.whole_log(chat_id).await);
            let missing = self.texts.iter().filter(|text| !sent.contains_key(*text)).count();
            if missing == 0 { Ok(()) } else { Err(format!("{missing} of {} are missing", self.texts.len())) }
        })
        .await;
        let sent = counts(&reader.whole_log(chat_id).await);
        let often: Vec<_> = sent.iter().filter(|(_, count)| **count != 1).collect();
        assert!(often.is_empty(), "sent more than once: {often:?}");
    }
}

/// How often each of them is in the log.
fn counts(log: &[Update]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for update in log {
        let Some(Change::MessageCreated(created)) = &update.change else { continue };
        let text = created.message.as_ref().map_or("", |message| message.text.as_str());
        if text.starts_with("later-") {
            *counts.entry(text.to_owned()).or_default() += 1;
        }
    }
    counts
}
