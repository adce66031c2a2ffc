//! Blocks between two people, as auth tells them.

use std::time::Duration;

use futures_util::future::{join, join_all};
use godwit_contract::chat::v1 as api;
use godwit_contract::chat::v1::PostingRefusal;
use godwit_contract::chat::v1::chat_internal_service_server::ChatInternalService as _;
use godwit_contract::events::v1::PostingChanged;
use godwit_contract::events::v1::live_payload::Payload;
use godwit_kernel::UserId;
use godwit_testkit::eventually;
use tonic::{Code, Request, Status};

use crate::harness::{Bed, PATIENCE, reason};
use crate::neighbours::Appends;

/// Tells a replica of a change of the blocks between two people.
async fn set(bed: &Bed, pair: (UserId, UserId), is_blocked: bool, version: u64) -> Result<(), Status> {
    let (user_id, other_user_id) = (pair.0.to_string(), pair.1.to_string());
    let request = api::SetDirectBlockRequest { user_id, other_user_id, is_blocked, version };
    bed.replicas[0].server.set_direct_block(Request::new(request)).await.map(drop)
}

/// Whether a user may post, by which version, and why not.
async fn policy(bed: &Bed, chat_id: &str, user_id: UserId) -> (bool, u64, PostingRefusal) {
    let request = api::GetPostingPolicyRequest { chat_id: chat_id.to_owned(), user_id: user_id.to_string() };
    let answer = bed.replicas[1].server.get_posting_policy(Request::new(request)).await.unwrap().into_inner();
    assert!(answer.is_member);
    (answer.may_post, answer.membership_version, answer.refusal())
}

const MAY: PostingRefusal = PostingRefusal::Unspecified;
const BLOCKED: PostingRefusal = PostingRefusal::Blocked;

#[tokio::test(flavor = "multi_thread")]
async fn neither_may_post_from_the_return_of_a_block_to_its_end() {
    let bed = Bed::new().await;
    let (ada, bob, carl) = (bed.person(), bed.person(), bed.person());
    let chat = bed.client(0, ada).create(bob).await.unwrap();
    let other = bed.client(0, ada).create(carl).await.unwrap();
    set(&bed, (bob, ada), true, 1).await.unwrap();
    for user in [ada, bob] {
        assert_eq!(policy(&bed, &chat.id, user).await, (false, 2, BLOCKED));
    }
    assert_eq!(bed.neighbours.version_of(&chat.id), 2, "the log knows of it");
    assert_eq!(bed.neighbours.log_of(&chat.id).len(), 1, "and tells nobody");

    set(&bed, (ada, bob), false, 2).await.unwrap();
    for user in [ada, bob] {
        assert_eq!(policy(&bed, &chat.id, user).await, (true, 3, MAY));
    }
    assert_eq!((bed.neighbours.version_of(&chat.id), bed.neighbours.version_of(&other.id)), (3, 1));
    assert_eq!(bed.number("SELECT count(*) FROM pending_updates").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn gateways_of_the_chat_are_told_to_ask_anew_also_when_the_log_is_down() {
    let bed = Bed::new().await;
    let (ada, bob) = (bed.person(), bed.person());
    let chat = bed.client(0, ada).create(bob).await.unwrap();
    let mut gateway = bed.gateway_at(&chat.id).await;
    for (appends, is_blocked, version) in [(Appends::Answered, true, 1), (Appends::Down, false, 2)] {
        bed.neighbours.set_appends(appends);
        assert_eq!(set(&bed, (ada, bob), is_blocked, version).await.is_ok(), appends == Appends::Answered);
        let told = gateway.told().await;
        assert_eq!(told, Payload::PostingChanged(PostingChanged { chat_id: chat.id.clone() }));
        assert_eq!(policy(&bed, &chat.id, bob).await.0, !is_blocked);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_is_not_newer_changes_nothing() {
    let bed = Bed::new().await;
    let (ada, bob) = (bed.person(), bed.person());
    let chat = bed.client(0, ada).create(bob).await.unwrap();
    set(&bed, (ada, bob), true, 5).await.unwrap();
    for (is_blocked, version) in [(false, 4), (false, 5), (true, 5), (false, 0)] {
        set(&bed, (bob, ada), is_blocked, version).await.unwrap();
        assert_eq!(policy(&bed, &chat.id, ada).await, (false, 2, BLOCKED));
    }
    let changes = (6..=16).map(|version| set(&bed, (ada, bob), version % 2 == 0, version));
    for changed in join_all(changes).await {
        changed.unwrap();
    }
    assert!(!policy(&bed, &chat.id, bob).await.0, "16 was the last");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_that_is_begun_later_is_blocked_from_its_first_moment() {
    let bed = Bed::new().await;
    let (ada, bob) = (bed.person(), bed.person());
    set(&bed, (ada, bob), true, 1).await.unwrap();
    // Auth was asked before the block, as far as it tells here.
    let chat = bed.client(0, ada).create(bob).await.unwrap();
    assert_eq!(policy(&bed, &chat.id, bob).await, (false, 1, BLOCKED));
    set(&bed, (ada, bob), false, 2).await.unwrap();
    assert_eq!(policy(&bed, &chat.id, bob).await, (true, 2, MAY));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_message_service_a_block_is_kept_and_told_later() {
    let bed = Bed::new().await;
    let (ada, bob) = (bed.person(), bed.person());
    let chat = bed.client(0, ada).create(bob).await.unwrap();
    bed.neighbours.set_appends(Appends::Down);
    for _ in 0..2 {
        // Again with the same version: it is kept, but not done.
        let refused = set(&bed, (ada, bob), true, 1).await.unwrap_err();
        assert_eq!((refused.code(), reason(&refused).as_str()), (Code::Unavailable, "CHAT_NOT_READY"));
    }
    assert_eq!(policy(&bed, &chat.id, ada).await, (false, 2, BLOCKED));
    set(&bed, (ada, bob), false, 2).await.unwrap_err();
    set(&bed, (ada, bob), true, 3).await.unwrap_err();
    assert_eq!(bed.number("SELECT count(*) FROM pending_updates").await, 1, "only the last raise matters");

    bed.neighbours.set_appends(Appends::Unanswered);
    set(&bed, (ada, bob), true, 3).await.unwrap_err();
    bed.neighbours.set_appends(Appends::Answered);
    bed.clock.advance(Duration::from_secs(60));
    eventually(PATIENCE, || async { bed.number("SELECT count(*) FROM pending_updates").await == 0 }).await;
    assert_eq!(bed.neighbours.version_of(&chat.id), 4);
    set(&bed, (ada, bob), true, 3).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_has_not_begun_learns_of_the_block_after_its_beginning() {
    let bed = Bed::new().await;
    let (ada, bob) = (bed.person(), bed.person());
    bed.neighbours.set_appends(Appends::Down);
    bed.client(0, ada).create(bob).await.unwrap_err();
    set(&bed, (ada, bob), true, 1).await.unwrap_err();
    bed.neighbours.set_appends(Appends::Answered);
    set(&bed, (ada, bob), true, 1).await.unwrap();
    let chat = bed.client(0, ada).create(bob).await.unwrap();
    assert_eq!((bed.neighbours.log_of(&chat.id).len(), bed.neighbours.version_of(&chat.id)), (1, 2));
}

/// A policy that was read before the block, at the version that the log knows after it, would let messages pass.
#[tokio::test(flavor = "multi_thread")]
async fn a_block_and_the_beginning_of_a_chat_never_miss_each_other() {
    let bed = Bed::new().await;
    for round in 0..30 {
        let (ada, bob) = (bed.person(), bed.person());
        let creator = bed.client(round % 2, ada);
        let creation = async {
            let chat = creator.create(bob).await.unwrap();
            let read = policy(&bed, &chat.id, ada).await;
            (chat, read)
        };
        let ((chat, (could_post, version, _)), blocked) = join(creation, set(&bed, (ada, bob), true, 1)).await;
        blocked.unwrap();
        assert!(!policy(&bed, &chat.id, ada).await.0);
        let known = bed.neighbours.version_of(&chat.id);
        assert!(!could_post || version < known, "a policy of version {version} passes at a log of version {known}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_block_is_refused() {
    let bed = Bed::new().await;
    let (ada, bob) = (bed.person().to_string(), bed.person().to_string());
    let good = api::SetDirectBlockRequest { user_id: ada.clone(), other_user_id: bob, is_blocked: true, version: 1 };
    for request in [
        api::SetDirectBlockRequest { user_id: String::new(), ..good.clone() },
        api::SetDirectBlockRequest { other_user_id: "bob".to_owned(), ..good.clone() },
        api::SetDirectBlockRequest { other_user_id: ada, ..good.clone() },
        api::SetDirectBlockRequest { version: u64::MAX, ..good },
    ] {
        let refused = bed.replicas[0].server.set_direct_block(Request::new(request)).await.unwrap_err();
        assert_eq!((refused.code(), reason(&refused).as_str()), (Code::InvalidArgument, "INVALID_ARGUMENT"));
    }
    assert_eq!(bed.number("SELECT count(*) FROM direct_blocks").await, 0);
}
