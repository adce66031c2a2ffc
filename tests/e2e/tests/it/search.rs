//! Search as a client asks for it: over REST, of one process and of separate services.

mod rebuild;

use std::time::Duration;

use godwit_contract::chat::v1::{CreateChannelResponse, CreateGroupResponse};
use godwit_contract::message::v1::ListMessagesResponse;
use godwit_contract::search::v1::{
    SearchChannelsResponse, SearchMessagesResponse, SearchResponse, SearchUsersResponse, TextRange,
};
use godwit_contract::v1::Message;
use godwit_testkit::{TestCluster, eventually};
use serde_json::{Value, json};

use crate::support::{Account, Pair, embedded, fresh_uuid, separate, unique};

const SOON: Duration = Duration::from_secs(60);

async fn found(person: &Account, query: &str) -> SearchMessagesResponse {
    person.rest.get(&format!("/search/messages?{query}")).await.ok()
}

async fn texts(person: &Account, query: &str) -> Vec<String> {
    found(person, query).await.messages.into_iter().map(|message| message.text).collect()
}

#[tokio::test]
async fn what_one_person_hid_or_may_not_see_is_not_found_by_them_in_one_process() {
    what_one_person_hid_or_may_not_see_is_not_found_by_them(embedded().await).await;
}

#[tokio::test]
async fn what_one_person_hid_or_may_not_see_is_not_found_by_them_over_separate_services() {
    what_one_person_hid_or_may_not_see_is_not_found_by_them(separate().await).await;
}

async fn what_one_person_hid_or_may_not_see_is_not_found_by_them(cluster: &TestCluster) {
    let Pair { ada, bob, chat_id } = Pair::create(cluster).await;
    let word = unique("tern");
    let (one, two) = (format!("{word} one"), format!("{word} two"));
    let first = ada.send(&chat_id, "1", &one).await;
    let second = ada.send(&chat_id, "2", &two).await;
    let q = format!("q={word}");
    eventually(SOON, || async { texts(&bob, &q).await == [two.clone(), one.clone()] }).await;

    bob.rest.delete(&format!("/messages/{}?is_for_me_only=true", first.id)).await.ok::<Value>();
    assert_eq!(texts(&bob, &q).await, [two.as_str()]);
    assert_eq!(texts(&ada, &q).await, [two.as_str(), one.as_str()]);
    ada.rest.delete(&format!("/messages/{}", second.id)).await.ok::<Value>();
    assert_eq!(texts(&bob, &q).await, [""; 0]);

    // Who clears a direct chat finds what comes then, and nothing of before; the other one finds all of it.
    ada.rest.delete(&format!("/chats/{chat_id}")).await.ok::<Value>();
    assert_eq!(texts(&ada, &q).await, [""; 0]);
    let third = format!("{word} three");
    ada.send(&chat_id, "3", &third).await;
    eventually(SOON, || async { texts(&ada, &q).await == [third.clone()] }).await;
    eventually(SOON, || async { texts(&bob, &q).await == [third.clone()] }).await;
    bob.rest.delete(&format!("/chats/{chat_id}")).await.ok::<Value>();
    assert_eq!(texts(&bob, &q).await, [""; 0]);
    assert_eq!(texts(&ada, &q).await, [third.as_str()]);

    // A group with hidden history: who joins finds what comes then, and who leaves finds nothing.
    let eve = Account::create(cluster, "eve").await;
    let body = json!({"title": "Terns", "member_ids": [bob.user_id], "client_chat_id": fresh_uuid()});
    let group: CreateGroupResponse = ada.rest.post("/chats/group", body).await.created();
    let group = group.chat.unwrap().id;
    let path = format!("/chats/{group}");
    ada.rest.patch(&path, json!({"is_history_visible": false})).await.ok::<Value>();
    let (before, after) = (format!("{word} before"), format!("{word} after"));
    ada.send(&group, "1", &before).await;
    ada.rest.post(&format!("{path}/members"), json!({"user_ids": [eve.user_id]})).await.ok::<Value>();
    ada.send(&group, "2", &after).await;
    eventually(SOON, || async { texts(&bob, &q).await == [after.clone(), before.clone()] }).await;
    assert_eq!(texts(&eve, &q).await, [after.as_str()]);
    eve.rest.post(&format!("{path}/leave"), json!({})).await.ok::<Value>();
    assert_eq!(texts(&eve, &q).await, [""; 0]);
}

#[tokio::test]
async fn messages_are_found_by_words_sender_kind_and_date_over_rest() {
    let Pair { ada, bob, chat_id } = Pair::create(embedded().await).await;
    let word = unique("knot");
    ada.send(&chat_id, "1", &format!("👍 {word} cats were running https://example.org")).await;
    let second: Message = bob.send(&chat_id, "2", &format!("{word} alone")).await;
    let q = format!("q={word}");
    eventually(SOON, || async { found(&ada, &q).await.messages.len() == 2 }).await;

    let at = serde_json::to_value(second.sent_at).unwrap();
    // In a query a plus is a blank.
    let at = at.as_str().unwrap().replace('+', "%2B");
    for (query, expected) in [
        (format!("{q}&sender_id={}", bob.user_id), 1),
        (format!("{q}&kind=MESSAGE_KIND_LINK"), 1),
        (format!("kind=MESSAGE_KIND_LINK&chat_id={chat_id}"), 1),
        (format!("{q}&from={at}"), 1),
        (format!("{q}&to={at}"), 1),
        (format!("{q}&order=SEARCH_ORDER_RELEVANCE&limit=1"), 1),
        (format!("q={word}%20cat%20run%20"), 1),
        (format!("q={word}%20%22cats%20were%22"), 1),
        (format!("q={word}%20%22cat%20were%22"), 0),
        (format!("q={word}%20-alone"), 1),
        (format!("chat_id={chat_id}"), 2),
    ] {
        assert_eq!(found(&ada, &query).await.messages.len(), expected, "{query}");
    }
    let answer = found(&ada, &format!("q=%22{word}%20alone%22")).await;
    // Its seq is where to jump to.
    let [hit] = answer.messages.as_slice() else { unreachable!("one hit: {answer:?}") };
    let around = format!("/chats/{}/messages?around_seq={}", hit.chat_id, hit.seq);
    let around: ListMessagesResponse = ada.rest.get(&around).await.ok();
    assert!(around.messages.iter().any(|message| message.id == hit.id), "{around:?}");
    let length = u32::try_from(word.len() + " alone".len()).unwrap();
    assert_eq!(answer.messages, [second]);
    assert_eq!(answer.highlights[0].ranges, [TextRange { offset: 0, length }]);
    assert_eq!(ada.rest.get("/search/messages?q=a&kind=NONSENSE").await.status, 400);
    assert_eq!(ada.rest.get("/search/messages").await.problem(400), "INVALID_ARGUMENT");
}

#[tokio::test]
async fn people_channels_and_messages_are_found_at_once_in_one_process() {
    people_channels_and_messages_are_found_at_once(embedded().await).await;
}

#[tokio::test]
async fn people_channels_and_messages_are_found_at_once_over_separate_services() {
    people_channels_and_messages_are_found_at_once(separate().await).await;
}

async fn people_channels_and_messages_are_found_at_once(cluster: &TestCluster) {
    let Pair { ada, bob, chat_id } = Pair::create(cluster).await;
    let handle = unique("plover").replace('-', "_");
    let body = json!({"title": "Waders", "handle": handle, "client_chat_id": fresh_uuid()});
    let channel: CreateChannelResponse = bob.rest.post("/channels", body).await.created();
    ada.send(&chat_id, "1", &format!("look at {handle}")).await;
    let all = async || -> SearchResponse { ada.rest.get(&format!("/search?q={handle}")).await.ok() };
    eventually(SOON, || async {
        let found = all().await;
        !found.channels.is_empty() && !found.messages.unwrap_or_default().messages.is_empty()
    })
    .await;
    assert_eq!(all().await.channels[0].chat_id, channel.chat.unwrap().id);

    let people = async |person: &Account, name: &str| -> Vec<String> {
        let found: SearchUsersResponse = person.rest.get(&format!("/search/users?q={name}")).await.ok();
        found.users.into_iter().map(|user| user.id).collect()
    };
    eventually(SOON, || async { people(&ada, &bob.username).await.contains(&bob.user_id) }).await;
    bob.rest.post(&format!("/users/{}/block", ada.user_id), json!({})).await.ok::<Value>();
    assert!(!people(&ada, &bob.username).await.contains(&bob.user_id), "who blocks is not found");
    assert!(!people(&bob, &ada.username).await.contains(&ada.user_id), "nor who is blocked");

    // A letter is wrong.
    let mistyped = handle.replacen('v', "w", 1);
    let found: SearchChannelsResponse = ada.rest.get(&format!("/search/channels?q={mistyped}")).await.ok();
    assert!(found.channels.iter().any(|channel| channel.info.as_ref().is_some_and(|info| info.handle == handle)));
}
