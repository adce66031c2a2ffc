//! Accounts that are gone, as the stream tells.

use std::sync::Arc;

use bytes::Bytes;
use godwit_chat::events::incoming::{AccountsHandler, accounts_group};
use godwit_contract::chat::v1 as api;
use godwit_contract::events::v1::account_event::Event;
use godwit_contract::events::v1::{AccountDeleted, AccountEvent, AccountPurged};
use godwit_contract::v1 as pb;
use godwit_contract::v1::update::Change;
use godwit_events::postgres::{self, PostgresLog};
use godwit_events::{BatchError, BatchHandler as _, EventLog as _, NewRecord, Record, topics};
use godwit_kernel::UserId;
use godwit_testkit::{TestDb, eventually};
use prost::Message as _;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use crate::harness::{Bed, PATIENCE, refusal};
use crate::neighbours::Appends;

fn record(user_id: UserId, payload: Vec<u8>) -> Record {
    Record {
        topic: topics::ACCOUNTS.name,
        partition: 0,
        offset: 0,
        key: Bytes::copy_from_slice(user_id.as_bytes()),
        payload: payload.into(),
        headers: Vec::new(),
        published_at: OffsetDateTime::UNIX_EPOCH,
    }
}

fn event(user_id: UserId, event: Event) -> Record {
    let event = AccountEvent { event_id: user_id.to_string(), event: Some(event), ..AccountEvent::default() };
    record(user_id, event.encode_to_vec())
}

fn purged(user_id: UserId) -> Record {
    event(user_id, Event::AccountPurged(AccountPurged { user_id: user_id.to_string() }))
}

async fn handle(bed: &Bed, records: &[Record]) -> Result<(), BatchError> {
    AccountsHandler(Arc::clone(&bed.replicas[0].app)).handle(records).await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_gone_for_ever_is_in_no_group_or_channel_any_more() {
    let bed = Bed::new().await;
    let (ada, bob) = (bed.person(), bed.person());
    let owner = bed.client(0, ada);
    let (group, channel) = (owner.group(&[bob]).await, owner.channel("the_channel").await);
    let gone = bed.client(1, bob);
    gone.follow(&channel.id).await.unwrap();
    let direct = gone.create(ada).await.unwrap();
    gone.mute_chat(api::MuteChatRequest { chat_id: direct.id.clone(), until: None }).await.unwrap();
    let draft = api::SetDraftRequest { chat_id: direct.id.clone(), text: "almost".to_owned(), ..Default::default() };
    gone.set_draft(draft).await.unwrap();
    let folder = api::CreateFolderRequest { title: "Work".to_owned(), chat_ids: vec![direct.id.clone()] };
    gone.create_folder(folder).await.unwrap();

    for _ in 0..2 {
        handle(&bed, &[purged(bob)]).await.unwrap();
        for chat in [&group, &channel] {
            assert_eq!(owner.members(&chat.id).await.unwrap(), [(ada, pb::ChatRole::Owner)]);
        }
        for table in ["chat_settings", "drafts", "folders"] {
            assert_eq!(bed.number(&format!("SELECT count(*) FROM {table}")).await, 0, "{table}");
        }
        let removed = pb::MemberRemoved {
            user_id: bob.to_string(),
            cause: pb::RemovalCause::AccountDeleted.into(),
            member_count: 1,
            receipts: Vec::new(),
        };
        assert_eq!(bed.neighbours.changes_of(&group.id)[1..], [Change::MemberRemoved(removed)]);
        assert_eq!(bed.neighbours.raises_of(&channel.id).len(), 2);
        assert_eq!(bed.neighbours.changes_of(&bob.to_string()).last(), Some(&Change::ChatDeleted(pb::ChatDeleted {})));
    }
    assert_eq!(owner.get(&direct.id).await.unwrap().id, direct.id, "it is Ada's, too");
    assert_eq!(refusal(&gone.get_saved_messages(api::GetSavedMessagesRequest {}).await), "CHAT_NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_whose_owner_is_gone_passes_on_or_ends() {
    let bed = Bed::new().await;
    let (owner, bob, carl) = (bed.person(), bed.person(), bed.person());
    let client = bed.client(0, owner);
    let (by_admin, by_age, alone) = (client.group(&[bob]).await, client.group(&[]).await, client.group(&[]).await);
    bed.clock.advance(std::time::Duration::from_secs(1));
    client.add(&by_admin.id, &[carl]).await.unwrap();
    client.role(&by_admin.id, carl, pb::ChatRole::Admin).await.unwrap();
    client.add(&by_age.id, &[carl]).await.unwrap();
    bed.clock.advance(std::time::Duration::from_secs(1));
    client.add(&by_age.id, &[bob]).await.unwrap();
    handle(&bed, &[purged(owner)]).await.unwrap();
    for chat in [&by_admin, &by_age] {
        let members = bed.client(1, bob).members(&chat.id).await.unwrap();
        let mut expected = [(bob, pb::ChatRole::Member), (carl, pb::ChatRole::Owner)];
        expected.sort_by_key(|(user_id, _)| *user_id);
        assert_eq!(members, expected);
        let changes = bed.neighbours.changes_of(&chat.id);
        let [.., Change::RolesChanged(_), Change::MemberRemoved(_)] = changes.as_slice() else { panic!("{changes:?}") };
    }
    assert_eq!(bed.neighbours.changes_of(&alone.id).last(), Some(&Change::ChatDeleted(pb::ChatDeleted {})));
    assert_eq!(bed.number("SELECT count(*) FROM pending_updates").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_gone_waits_nowhere_and_an_heir_is_told_who_does() {
    let bed = Bed::new().await;
    let (ada, bob, gone, guest) = (bed.person(), bed.person(), bed.person(), bed.person());
    let owner = bed.client(0, ada);
    let chat = owner.group(&[bob]).await;
    let code = owner.invite(&chat.id, 0, true).await.unwrap().code;
    for asker in [gone, guest] {
        bed.client(1, asker).join(&code).await.unwrap();
    }
    for _ in 0..2 {
        handle(&bed, &[purged(gone)]).await.unwrap();
        let ended = pb::JoinRequestsChanged {
            chat_id: chat.id.clone(),
            join_request_count: 1,
            removed_user_ids: vec![gone.to_string()],
            ..Default::default()
        };
        assert_eq!(bed.neighbours.changes_of(&ada.to_string())[3..], [Change::JoinRequestsChanged(ended)]);
    }
    assert_eq!(owner.get(&chat.id).await.unwrap().join_request_count, 1);
    handle(&bed, &[purged(ada)]).await.unwrap();
    let counted = pb::JoinRequestsChanged { chat_id: chat.id.clone(), join_request_count: 1, ..Default::default() };
    assert_eq!(bed.neighbours.changes_of(&bob.to_string())[1..], [Change::JoinRequestsChanged(counted)]);
    assert_eq!(bed.client(1, bob).get(&chat.id).await.unwrap().join_request_count, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_come_back_stays_and_what_is_no_event_is_poison() {
    let bed = Bed::new().await;
    let (ada, bob) = (bed.person(), bed.person());
    let owner = bed.client(0, ada);
    let group = owner.group(&[bob]).await;
    let hidden = event(bob, Event::AccountDeleted(AccountDeleted { user_id: bob.to_string() }));
    handle(&bed, std::slice::from_ref(&hidden)).await.unwrap();
    assert_eq!(owner.members(&group.id).await.unwrap().len(), 2);
    let nameless = event(bob, Event::AccountPurged(AccountPurged { user_id: "x".to_owned() }));
    for poison in [record(bob, vec![255, 255]), nameless] {
        let refused = handle(&bed, &[hidden.clone(), poison]).await.unwrap_err();
        assert!(matches!(refused, BatchError::Poison { index: 1, .. }), "{refused:?}");
    }
    handle(&bed, &[record(bob, AccountEvent::default().encode_to_vec())]).await.unwrap();

    // While the message service is down, they are out all the same; the logs are told later.
    bed.neighbours.set_appends(Appends::Down);
    handle(&bed, &[purged(bob)]).await.unwrap();
    assert_eq!(owner.members(&group.id).await.unwrap().len(), 1);
    bed.neighbours.set_appends(Appends::Answered);
    bed.clock.advance(std::time::Duration::from_secs(60));
    eventually(PATIENCE, || async { bed.number("SELECT count(*) FROM pending_updates").await == 0 }).await;
    assert_eq!(bed.neighbours.log_of(&group.id).len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_readers_of_the_stream_take_out_who_is_gone() {
    let bed = Bed::new().await;
    let stream_db = TestDb::new(&[&postgres::SCHEMA]).await;
    let stream = PostgresLog::new(stream_db.pool(&postgres::SCHEMA));
    let (ada, bob) = (bed.person(), bed.person());
    let owner = bed.client(0, ada);
    let group = owner.group(&[bob]).await;
    let poison = NewRecord::new(&topics::ACCOUNTS, bob.as_bytes().to_vec(), vec![255, 255]);
    let gone = NewRecord::new(&topics::ACCOUNTS, bob.as_bytes().to_vec(), purged(bob).payload);
    stream.publish(vec![poison, gone]).await.unwrap();
    let stop = CancellationToken::new();
    let reading =
        stream.consume(accounts_group(), Arc::new(AccountsHandler(Arc::clone(&bed.replicas[1].app))), stop.clone());
    let seen = async {
        eventually(PATIENCE, || async { owner.members(&group.id).await.unwrap().len() == 1 }).await;
        stop.cancel();
    };
    futures_util::future::join(reading, seen).await.0.unwrap();
}
