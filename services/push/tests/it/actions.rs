//! Answering and marking read from a notification, by nothing else than what is in it.

use godwit_contract::message::v1::{MarkMessageReadRequest, MarkReadRequest, SendMessageRequest};
use godwit_contract::push::v1::{NotificationPreview, UpdateNotificationSettingsRequest};
use godwit_kernel::{ChatId, MessageId, Seq};
use godwit_testkit::eventually;
use serde_json::{Map, Value, json};

use crate::browser::Browser;
use crate::harness::{SOON, World};
use crate::phone::Phone;

/// A request as a client writes it; the names in the path's braces become fields, as in the gateway.
struct Request {
    template: &'static str,
    path: String,
    body: Value,
}

impl Request {
    fn post(template: &'static str, value: &Value, body: Value) -> Self {
        let (begin, rest) = template.split_once('{').unwrap();
        let (_, end) = rest.split_once('}').unwrap();
        Self { template, path: format!("{begin}{}{end}", value.as_str().unwrap()), body }
    }

    /// What the service behind it is given.
    fn fields(&self) -> Value {
        let (begin, rest) = self.template.split_once('{').unwrap();
        let (name, end) = rest.split_once('}').unwrap();
        let value = self.path.strip_prefix(begin).and_then(|rest| rest.strip_suffix(end)).unwrap();
        assert!(!value.is_empty() && !value.contains('/'), "{}", self.path);
        let mut fields: Map<String, Value> = self.body.as_object().unwrap().clone();
        fields.insert(name.to_owned(), value.into());
        fields.into()
    }
}

/// The buttons that a device shows.
fn actions(payload: &Value) -> Value {
    match payload["actions"].as_str() {
        // Google's data are texts.
        Some(text) => serde_json::from_str(text).unwrap(),
        None => payload["actions"].clone(),
    }
}

fn reply(payload: &Value, text: &str) -> Request {
    let body = json!({"client_message_id": "r1", "text": text, "reply_to_message_id": payload["message_id"]});
    Request::post("/chats/{chat_id}/messages", &payload["chat_id"], body)
}

fn mark_read(payload: &Value) -> Request {
    Request::post("/messages/{message_id}/read", &payload["message_id"], json!({}))
}

/// The same of a chat as a whole, for an app that keeps chats and seqs.
fn mark_chat_read(payload: &Value) -> Request {
    Request::post("/chats/{chat_id}/read", &payload["chat_id"], json!({"seq": payload["seq"]}))
}

fn check(payload: &Value, chat_id: ChatId, seq: u64) {
    let id = MessageId { chat_id, seq: Seq::new(seq).unwrap() };
    assert_eq!(actions(payload), json!(["reply", "mark_read"]), "{payload}");
    let sent: SendMessageRequest = serde_json::from_value(reply(payload, "fine").fields()).unwrap();
    assert_eq!((sent.chat_id.parse(), sent.reply_to_message_id.parse()), (Ok(chat_id), Ok(id)), "{payload}");
    assert_eq!((sent.text.as_str(), sent.client_message_id.as_str()), ("fine", "r1"));
    let read: MarkMessageReadRequest = serde_json::from_value(mark_read(payload).fields()).unwrap();
    assert_eq!(read.message_id.parse(), Ok(id), "{payload}");
    let read: MarkReadRequest = serde_json::from_value(mark_chat_read(payload).fields()).unwrap();
    assert_eq!((read.chat_id.parse(), read.seq), (Ok(chat_id), seq), "{payload}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notification_is_enough_to_reply_and_to_mark_read_whatever_it_shows() {
    let world = World::new().await;
    let replica = world.start_with_accounts().await;
    let (ada, iphone) = (world.member_with_phone(), world.member_with_phone());
    let (android, browser) = (Phone::of(iphone.user_id()), Browser::of(iphone.user_id()));
    replica.register_apple(&iphone).await;
    replica.register_google(&android).await;
    replica.register(&browser, browser.subscription(&world.server)).await.unwrap();
    let previews = [NotificationPreview::Full, NotificationPreview::Sender, NotificationPreview::Hidden];
    for (before, preview) in previews.into_iter().enumerate() {
        let wanted = UpdateNotificationSettingsRequest { preview: preview.into(), are_mentions_muted: None };
        replica.change_settings(&iphone, wanted).await;
        let seq = u64::try_from(before).unwrap() + 1;
        replica.publish(&world, &world.message_of(seq, ada.user_id(), "how are you?")).await;
        let shown = eventually(SOON, async || world.apns.at(&iphone.token).get(before).cloned()).await;
        assert_eq!(shown.payload["aps"]["category"], "MESSAGE", "which has the buttons");
        check(&shown.payload["godwit"], world.chat_id, seq);
        let shown = eventually(SOON, async || world.fcm.at(&android.token).get(before).cloned()).await;
        check(&shown.data, world.chat_id, seq);
        let shown = eventually(SOON, async || world.server.at(&browser).get(before).cloned()).await;
        check(&browser.decrypt(&shown), world.chat_id, seq);
    }
}
