//! What becomes of an update whose append does not succeed at once.

use std::time::Duration;

use futures_util::future::join_all;
use godwit_chat::domain::{MembershipVersion, PendingUpdate};
use godwit_chat::store;
use godwit_contract::v1 as pb;
use godwit_kernel::{ChatId, Clock as _, EventId, SystemClock, SystemEntropy};
use godwit_testkit::eventually;
use prost::Message as _;
use tonic::Code;

use crate::harness::{Bed, PATIENCE, reason};
use crate::neighbours::Appends;

async fn pending(bed: &Bed) -> i64 {
    bed.number("SELECT count(*) FROM pending_updates").await
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_message_service_a_chat_is_not_ready_and_asking_again_returns_the_same() {
    let bed = Bed::new().await;
    let (ada, bob) = (bed.person(), bed.person());
    bed.neighbours.set_appends(Appends::Down);
    for (replica, caller, peer) in [(0, ada, bob), (1, bob, ada)] {
        let refused = bed.client(replica, caller).create(peer).await.unwrap_err();
        assert_eq!((refused.code(), reason(&refused).as_str()), (Code::Unavailable, "CHAT_NOT_READY"));
    }
    assert_eq!((bed.number("SELECT count(*) FROM chats").await, pending(&bed).await), (1, 1));

    bed.neighbours.set_appends(Appends::Answered);
    let chat = bed.client(1, bob).create(ada).await.unwrap();
    assert_eq!(bed.client(0, ada).create(bob).await.unwrap().id, chat.id);
    assert_eq!((bed.neighbours.log_of(&chat.id).len(), pending(&bed).await), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_append_whose_answer_is_lost_is_repeated_with_the_same_event() {
    let bed = Bed::new().await;
    let (ada, bob) = (bed.person(), bed.person());
    bed.neighbours.set_appends(Appends::Unanswered);
    assert_eq!(bed.client(0, ada).create(bob).await.unwrap_err().code(), Code::Unavailable);
    bed.neighbours.set_appends(Appends::Answered);
    let chat = bed.client(0, ada).create(bob).await.unwrap();
    assert_eq!(bed.neighbours.log_of(&chat.id).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_worker_repeats_an_append_until_it_succeeds_and_tells_the_gateways() {
    let bed = Bed::new().await;
    let (ada, bob) = (bed.person(), bed.person());
    let mut gateway = bed.gateway_of(bob).await;
    bed.neighbours.set_appends(Appends::Down);
    bed.client(0, ada).create(bob).await.unwrap_err();
    let attempts = bed.neighbours.attempts();

    bed.clock.advance(Duration::from_secs(3));
    eventually(PATIENCE, || async { bed.neighbours.attempts() > attempts }).await;
    assert!(gateway.was_told_nothing(), "nobody follows a chat whose log has not begun");
    assert_eq!(pending(&bed).await, 1);

    bed.neighbours.set_appends(Appends::Answered);
    bed.clock.advance(Duration::from_secs(60));
    eventually(PATIENCE, || async { pending(&bed).await == 0 }).await;
    let [chat_id] = gateway.told_to_follow().await.try_into().unwrap();
    assert_eq!(bed.neighbours.log_of(&chat_id).len(), 1);
    assert_eq!(bed.client(0, ada).create(bob).await.unwrap().id, chat_id);
}

#[tokio::test(flavor = "multi_thread")]
async fn pauses_grow_to_a_minute() {
    let bed = Bed::new().await;
    let (ada, bob) = (bed.person(), bed.person());
    // Not Down: retries within a call would only slow the test. The workers see no due row: the clock stands still.
    bed.neighbours.set_appends(Appends::Refused);
    assert_eq!(bed.client(0, ada).create(bob).await.unwrap_err().code(), Code::Internal);
    let mut now = bed.clock.now();
    let mut pauses = Vec::new();
    for _ in 0..8 {
        let mut conn = bed.pool.get().await.unwrap();
        let due = "SELECT extract(epoch FROM next_attempt_at) FROM pending_updates";
        let due_at = time::OffsetDateTime::from_unix_timestamp(bed.number(due).await).unwrap();
        pauses.push((due_at - now).whole_seconds());
        assert!(
            store::claim_pending_updates(&mut conn, due_at - time::Duration::SECOND, 10)
                .await
                .unwrap()
                .chats
                .is_empty()
        );
        assert_eq!(store::claim_pending_updates(&mut conn, due_at, 10).await.unwrap().update_count, 1);
        now = due_at;
    }
    assert_eq!(pauses, [2, 2, 4, 8, 16, 32, 60, 60]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_updates_of_a_chat_are_appended_in_order_however_many_deliver() {
    let bed = Bed::new().await;
    let (ada, bob) = (bed.person(), bed.person());
    let chat = bed.client(0, ada).create(bob).await.unwrap();
    let chat_id: ChatId = chat.id.parse().unwrap();
    let mut conn = bed.pool.get().await.unwrap();
    for version in 2..=30 {
        let update = pb::Update { chat_id: chat.id.clone(), ..pb::Update::default() };
        let pending = PendingUpdate {
            event_id: EventId::generate(&SystemClock, &SystemEntropy),
            chat_id,
            payload: Some(update.encode_to_vec().into()),
            membership_version: MembershipVersion::from_i64(version),
            joined: Vec::new(),
            left: Vec::new(),
        };
        store::insert_pending_update(&mut conn, &pending, bed.clock.now()).await.unwrap();
    }
    drop(conn);
    let deliveries = (0..6).map(|number| bed.replicas[number % 2].app.deliver_updates(chat_id));
    for delivered in join_all(deliveries).await {
        delivered.unwrap();
    }
    let versions: Vec<u64> = bed.neighbours.log_of(&chat.id).iter().map(|append| append.membership_version).collect();
    assert_eq!(versions, (1..=30).collect::<Vec<u64>>());
    assert_eq!(pending(&bed).await, 0);
}
