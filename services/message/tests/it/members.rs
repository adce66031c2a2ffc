//! Who comes sees what is theirs; who goes is out when the call returns.

use godwit_contract::events::v1::{LivePayload, live_payload::Payload};
use godwit_contract::message::v1 as api;
use godwit_contract::message::v1::message_internal_service_server::MessageInternalService as _;
use godwit_contract::v1 as pb;
use godwit_kernel::MessageId;
use godwit_live::Channel;
use godwit_message::domain::{Change, Entry, Headers, LinkPreview, NewPreview, Outcome};
use prost::Message as _;
use tonic::{Code, Request};

use crate::append::{commit, message};
use crate::harness::{Bed, append, event_id, reason, seqs, texts, user};

fn left_in(payload: bytes::Bytes) -> Option<(Vec<String>, bool)> {
    match LivePayload::decode(payload).unwrap().payload {
        Some(Payload::MembersLeft(left)) => Some((left.user_ids, left.server_frame.is_empty())),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_serves_a_chat_is_told_who_left_before_the_removal_returns() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let (ada, bob) = (user(), user());
    let chat_id = bed.chat_as(&replica, pb::ChatKind::Group, &[ada, bob]).await;
    replica.client(bob).send(chat_id, "m", "hi").await.unwrap();
    let mut listener = bed.listen(&[Channel::Chat(chat_id)]).await;

    let version = bed.chats.remove(chat_id, bob);
    let removed = pb::MemberRemoved { user_id: bob.to_string(), ..pb::MemberRemoved::default() };
    let update = append(chat_id, pb::update::Change::MemberRemoved(removed), version);
    replica.app.append_update(update.clone()).await.unwrap();
    let told: Vec<_> = listener.payloads().into_iter().filter_map(left_in).collect();
    assert_eq!(told, [(vec![bob.to_string()], false)], "with the update, when the call has returned");
    assert_eq!(reason(&replica.client(bob).send(chat_id, "n", "hi").await.unwrap_err()), "CHAT_NOT_FOUND");

    // The caller did not hear of it and asks again.
    replica.app.append_update(update).await.unwrap();
    let told: Vec<_> = listener.payloads().into_iter().filter_map(left_in).collect();
    assert_eq!(told, [(vec![bob.to_string()], true)]);
    let gone = format!("SELECT count(*) FROM participants WHERE user_id = '{bob}'");
    assert_eq!(bed.number(&gone).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn subscribers_come_and_go_without_an_update() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let (ada, bob, eve) = (user(), user(), user());
    let chat_id = bed.chat_as(&replica, pb::ChatKind::Channel, &[ada]).await;
    replica.client(ada).send(chat_id, "m", "old news").await.unwrap();
    let raise = |membership_version: u64, joined: Vec<String>, left: Vec<String>| {
        let request = api::RaiseMembershipVersionRequest {
            chat_id: chat_id.to_string(),
            membership_version,
            joined_user_ids: joined,
            left_user_ids: left,
        };
        replica.server.raise_membership_version(Request::new(request))
    };
    for subscriber in [bob, eve] {
        bed.chats.add(chat_id, subscriber);
    }
    let refused = replica.client(bob).sync_chat(chat_id, 0, 0, "").await.unwrap_err();
    assert_eq!(reason(&refused), "CHAT_NOT_READY", "the log does not know them yet");
    raise(1, vec![bob.to_string(), eve.to_string()], Vec::new()).await.unwrap();
    let head = replica.client(bob).head(chat_id).await;
    assert_eq!((head.last_seq, head.unread_count), (2, 0), "what was before is there and not unread");
    assert_eq!(replica.client(bob).messages(chat_id).await.len(), 1);
    replica.client(ada).send(chat_id, "n", "news").await.unwrap();
    assert_eq!(replica.client(eve).head(chat_id).await.unread_count, 1);

    let mut listener = bed.listen(&[Channel::Chat(chat_id)]).await;
    raise(2, Vec::new(), vec![bob.to_string()]).await.unwrap();
    let told: Vec<_> = listener.payloads().into_iter().filter_map(left_in).collect();
    assert_eq!(told, [(vec![bob.to_string()], true)]);
    assert_eq!(replica.client(eve).whole_log(chat_id, 0).await.len(), 3, "no update");

    // Old changes that come again change nothing.
    raise(1, vec![bob.to_string()], Vec::new()).await.unwrap();
    let there = format!("SELECT count(*) FROM participants WHERE user_id = '{bob}'");
    assert_eq!(bed.number(&there).await, 0, "who left is not back");
    raise(2, vec![bob.to_string()], Vec::new()).await.unwrap();
    raise(2, Vec::new(), vec![bob.to_string()]).await.unwrap();
    assert_eq!(bed.number(&there).await, 1, "who is back stays");

    let request = api::RaiseMembershipVersionRequest {
        chat_id: user().to_string(),
        membership_version: 1,
        joined_user_ids: vec![bob.to_string()],
        left_user_ids: Vec::new(),
    };
    let refused = replica.server.raise_membership_version(Request::new(request)).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::Unavailable, "CHAT_NOT_READY"));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_asked_again_what_members_may_do_when_others_join() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let (ada, bob) = (user(), user());
    let chat_id = bed.chat_as(&replica, pb::ChatKind::Group, &[ada, bob]).await;
    let members = [replica.client(ada), replica.client(bob)];
    for member in &members {
        member.send(chat_id, "before", "hi").await.unwrap();
    }
    let reads = bed.chats.policy_reads();
    for _ in 0..50 {
        bed.join(&replica, chat_id, user(), false).await;
    }
    for member in &members {
        member.send(chat_id, "after", "hi all").await.unwrap();
        member.sync_chat(chat_id, 0, 0, "").await.unwrap();
    }
    assert_eq!(bed.chats.policy_reads(), reads);
}

#[tokio::test(flavor = "multi_thread")]
async fn hidden_history_is_nowhere_for_who_came_later() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let (ada, bob, eve) = (user(), user(), user());
    let chat_id = bed.chat_as(&replica, pb::ChatKind::Group, &[ada, bob]).await;
    let cursor = replica.client(eve).sync("", 0).await.unwrap().next_cursor;
    let old = replica.client(ada).send(chat_id, "m", "before").await.unwrap();
    replica.client(ada).pin(chat_id, &old.id).await.unwrap();
    bed.join(&replica, chat_id, eve, true).await;
    let new = replica.client(ada).send(chat_id, "n", "after").await.unwrap();
    replica.client(ada).edit(&old.id, "before, edited").await.unwrap();

    let late = replica.client(eve);
    let head = late.head(chat_id).await;
    assert_eq!((head.visible_from_seq, head.unread_count), (4, 1));
    assert!(head.pinned_message_ids.is_empty());
    assert_eq!(late.messages(chat_id).await.iter().map(|message| message.seq).collect::<Vec<_>>(), [5]);
    for refused in [
        late.get(&old.id).await.unwrap_err(),
        late.history(&old.id).await.unwrap_err(),
        late.react(&old.id, "👍").await.unwrap_err(),
        late.hide(&old.id).await.unwrap_err(),
    ] {
        assert_eq!(reason(&refused), "MESSAGE_NOT_FOUND");
    }
    let reply = api::SendMessageRequest {
        chat_id: chat_id.to_string(),
        client_message_id: "r".to_owned(),
        text: "what was that?".to_owned(),
        reply_to_message_id: old.id.clone(),
        ..api::SendMessageRequest::default()
    };
    assert_eq!(reason(&late.send_full(reply).await.unwrap_err()), "REPLY_NOT_FOUND");
    assert!(late.sync_chat(chat_id, 0, 0, "").await.unwrap().reset, "a cursor before it is not continued");
    let page = late.sync_chat(chat_id, 3, 0, "").await.unwrap();
    assert_eq!((page.reset, seqs(&page.updates)[..2].to_vec()), (false, vec![4, 5]));
    let (pages, _) = late.sync_all(&cursor, 100).await;
    let given: Vec<pb::Update> = pages.into_iter().flat_map(|page| page.updates).collect();
    assert_eq!((seqs(&given)[0], texts(&given)), (4, vec!["after".to_owned()]));
    late.react(&new.id, "👍").await.unwrap();
}

/// What is told later of messages from before somebody came does not show them what these said.
#[tokio::test(flavor = "multi_thread")]
async fn hidden_history_is_not_told_again_to_who_came_later() {
    const SECRET: &str = "SECRET-thing";
    let has_secret = |bytes: &[u8]| bytes.windows(SECRET.len()).any(|window| window == SECRET.as_bytes());
    let bed = Bed::new().await;
    let replica = bed.replica();
    let (ada, bob, eve) = (user(), user(), user());
    let chat_id = bed.chat_as(&replica, pb::ChatKind::Group, &[ada, bob]).await;
    let old = replica.client(ada).send(chat_id, "m", SECRET).await.unwrap();
    let reply_to = |name: &str, id: &str| api::SendMessageRequest {
        chat_id: chat_id.to_string(),
        client_message_id: name.to_owned(),
        text: "an answer".to_owned(),
        reply_to_message_id: id.to_owned(),
        ..api::SendMessageRequest::default()
    };
    let quoting = replica.client(bob).send_full(reply_to("q", &old.id)).await.unwrap();
    assert_eq!(quoting.reply_to.unwrap().snippet, SECRET, "all who are there may see it");
    let cursor = replica.client(eve).sync("", 0).await.unwrap().next_cursor;
    bed.join(&replica, chat_id, eve, true).await;
    let mut listener = bed.listen(&[Channel::Chat(chat_id)]).await;
    let mut eves = bed.listen(&[Channel::Chat(chat_id)]).await;

    let edited = replica.client(ada).edit(&old.id, &format!("{SECRET}, edited")).await.unwrap();
    let id: MessageId = old.id.parse().unwrap();
    let text = || SECRET.to_owned();
    let preview = LinkPreview { url: text(), title: text(), description: text(), site_name: text() };
    let change = Change::Preview(NewPreview { seq: id.seq, edit_count: 1, preview });
    let entry = Entry { chat_id, headers: Headers::new(), change };
    assert!(matches!(replica.app.appenders.append(entry).await.unwrap(), Outcome::Appended(_)));
    let reply = replica.client(bob).send_full(reply_to("r", &old.id)).await.unwrap();
    let answered = reply.reply_to.unwrap();
    assert_eq!((answered.message_id.as_str(), answered.snippet.as_str()), (old.id.as_str(), ""));
    assert!(!answered.is_deleted, "who sees the message finds it by its id");
    let again = replica.client(bob).send_full(reply_to("s", &reply.id)).await.unwrap();
    assert_eq!(again.reply_to.unwrap().snippet, "an answer", "what is for all is quoted");
    bed.drained().await;

    // The last of them is there, and so are those before it.
    while eves.update().await.1.seq < 8 {}
    let payloads = listener.payloads();
    assert!(!payloads.is_empty() && !payloads.iter().any(|payload| has_secret(payload)), "live tells it to nobody");
    let late = replica.client(eve);
    let (pages, _) = late.sync_all(&cursor, 100).await;
    let by_account: Vec<pb::Update> = pages.into_iter().flat_map(|page| page.updates).collect();
    let by_chat = late.sync_chat(chat_id, 3, 0, "").await.unwrap().updates;
    for given in [&by_account, &by_chat] {
        assert_eq!(seqs(given), [4, 5, 6, 7, 8]);
        assert!(!given.iter().any(|update| has_secret(&update.encode_to_vec())));
    }
    let messages = late.messages(chat_id).await;
    assert!(!messages.iter().any(|message| has_secret(&message.encode_to_vec())));
    // Who was there has all of it.
    let log = replica.client(bob).whole_log(chat_id, 100).await;
    let told = log.iter().find_map(|update| match &update.change {
        Some(pb::update::Change::MessageEdited(edited)) => edited.message.clone(),
        _ => None,
    });
    assert_eq!(told.unwrap().text, edited.text);
    assert!(log.iter().any(|update| matches!(&update.change, Some(pb::update::Change::LinkPreviewAdded(added)) if added.link_preview.is_some())));
    // And so has the stream, for those who index and moderate.
    assert!(bed.stream.take_published().iter().any(|payload| has_secret(payload)));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_what_not_all_may_see_live_tells_that_it_is_there() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let (ada, eve) = (user(), user());
    let chat_id = bed.chat_as(&replica, pb::ChatKind::Group, &[ada]).await;
    let old = replica.client(ada).send(chat_id, "m", "before").await.unwrap();
    bed.join(&replica, chat_id, eve, true).await;
    let new = replica.client(ada).send(chat_id, "n", "after").await.unwrap();
    let mut listener = bed.listen(&[Channel::Chat(chat_id)]).await;
    replica.client(ada).edit(&old.id, "edited").await.unwrap();
    replica.client(ada).edit(&new.id, "edited too").await.unwrap();
    let mut told = listener.update().await;
    while told.1.seq <= new.seq {
        told = listener.update().await;
    }
    assert_eq!((told.0, told.1.seq), (Channel::Chat(chat_id), 6), "the first edit is not told");
    replica.client(ada).edit(&old.id, "edited again").await.unwrap();
    assert_eq!(listener.advanced().await, (chat_id.to_string(), 7));
}

/// Batches that nobody got through are told live later, when others follow the chat.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_published_late_is_not_told_to_who_came_meanwhile() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let (ada, eve) = (user(), user());
    let chat_id = bed.chat_as(&replica, pb::ChatKind::Group, &[ada]).await;
    bed.drained().await;
    let entries = [message(chat_id, ada, "left", "SECRET-thing")];
    commit(&mut bed.pool.get().await.unwrap(), &entries).await;
    bed.join(&replica, chat_id, eve, true).await;
    let mut listener = bed.listen(&[Channel::Chat(chat_id)]).await;
    bed.drained().await;
    assert_eq!(listener.advanced().await, (chat_id.to_string(), 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_largest_change_of_another_service_is_appended() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let ada = user();
    let own = bed.chat_as(&replica, pb::ChatKind::Saved, &[ada]).await;
    let folder = |number: u32| pb::Folder {
        id: user().to_string(),
        title: number.to_string().repeat(64),
        chat_ids: (0..200).map(|_| user().to_string()).collect(),
    };
    let change = pb::update::Change::FoldersChanged(pb::FoldersChanged { folders: (0..20).map(folder).collect() });
    let update =
        pb::Update { chat_id: own.to_string(), actor_id: ada.to_string(), change: Some(change), ..Default::default() };
    let request = api::AppendUpdateRequest {
        event_id: event_id().to_string(),
        update: Some(update.clone()),
        membership_version: 1,
    };
    replica.client(ada).server().append_update(Request::new(request)).await.unwrap();
    assert_eq!(replica.client(ada).whole_log(own, 0).await.pop().unwrap().change, update.change);
}
