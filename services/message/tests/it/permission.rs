use futures_util::future::join_all;
use godwit_contract::message::v1::message_internal_service_server::MessageInternalService as _;
use godwit_contract::message::v1::{ListMessagesRequest, RaiseMembershipVersionRequest};
use godwit_contract::v1 as pb;
use godwit_kernel::{ChatId, SystemClock, SystemEntropy};
use godwit_message::app::AppendUpdate;
use godwit_message::domain::MembershipVersion;
use tonic::{Code, Request, Status};

use crate::harness::{Bed, Replica, created, reason, texts, user};
use crate::scheduled::{self, ahead, schedule};

/// An update that raises the version of the member list, as a removal would.
fn raise(chat_id: ChatId, version: u64) -> AppendUpdate {
    AppendUpdate { membership_version: MembershipVersion::new(version).unwrap(), ..created(chat_id, &[]) }
}

#[tokio::test(flavor = "multi_thread")]
async fn permission_costs_no_rpc_once_it_is_known() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let (ada, bob) = (user(), user());
    let chat_id = bed.chat(&replica, &[ada, bob]).await;
    let client = replica.client(ada);
    for name in 0..20 {
        client.send(chat_id, &name.to_string(), "hi").await.unwrap();
        client.sync_chat(chat_id, 0, 0, "").await.unwrap();
    }
    assert_eq!(bed.chats.policy_reads(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_a_member_is_told_that_there_is_no_such_chat() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let (ada, bob) = (user(), user());
    let chat_id = bed.chat(&replica, &[ada, bob]).await;
    let message = replica.client(ada).send(chat_id, "m", "secret").await.unwrap();

    let eve = replica.client(user());
    let list = ListMessagesRequest { chat_id: chat_id.to_string(), ..ListMessagesRequest::default() };
    for refused in [
        eve.send(chat_id, "m", "hi").await.unwrap_err(),
        eve.list(list).await.unwrap_err(),
        eve.sync_chat(chat_id, 0, 0, "").await.unwrap_err(),
        eve.sync_chat(ChatId::generate(&SystemClock, &SystemEntropy), 0, 0, "").await.unwrap_err(),
    ] {
        assert_eq!((refused.code(), reason(&refused).as_str()), (Code::NotFound, "CHAT_NOT_FOUND"));
    }
    let refused = eve.get(&message.id).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::NotFound, "MESSAGE_NOT_FOUND"));
    assert!(eve.sync_all("", 100).await.0.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_member_is_out_when_the_removal_is_appended_though_replicas_remember_them() {
    let bed = Bed::new().await;
    let replicas = [bed.replica(), bed.replica()];
    let (ada, bob) = (user(), user());
    let chat_id = bed.chat(&replicas[0], &[ada, bob]).await;
    let sent = replicas[0].client(bob).send(chat_id, "m", "hi").await.unwrap();
    let (_, cursor) = replicas[0].client(bob).sync_all("", 100).await;
    for replica in &replicas {
        replica.client(bob).sync_chat(chat_id, 0, 0, "").await.unwrap();
    }

    let version = bed.chats.remove(chat_id, bob);
    replicas[0].app.append_update(raise(chat_id, version)).await.unwrap();

    for replica in &replicas {
        let client = replica.client(bob);
        let list = ListMessagesRequest { chat_id: chat_id.to_string(), ..ListMessagesRequest::default() };
        for refused in [
            client.send(chat_id, "n", "still here?").await.unwrap_err(),
            client.sync_chat(chat_id, 0, 0, "").await.unwrap_err(),
            client.list(list).await.unwrap_err(),
            client.get(&sent.id).await.unwrap_err(),
        ] {
            assert_eq!(refused.code(), Code::NotFound);
        }
        assert!(client.sync_all(&cursor, 100).await.0.is_empty());
    }
    replicas[1].client(ada).send(chat_id, "o", "bye").await.unwrap();
}

/// What is there for them or not, they have no list any more.
#[tokio::test(flavor = "multi_thread")]
async fn who_has_left_has_no_lists_though_replicas_remember_them() {
    let bed = Bed::new().await;
    let replicas = [bed.replica(), bed.replica()];
    let (ada, bob) = (user(), user());
    let chat_id = bed.chat_as(&replicas[0], pb::ChatKind::Group, &[ada, bob]).await;
    for replica in &replicas {
        assert!(replica.client(bob).pins(chat_id).await.unwrap().is_empty());
        assert!(scheduled::list(&replica.client(bob), chat_id).await.unwrap().is_empty());
    }

    bed.leave(&replicas[0], chat_id, bob).await;
    for replica in &replicas {
        let client = replica.client(bob);
        let later = scheduled::request(chat_id, "later", "hi", ahead(600_000));
        for refused in [
            client.pins(chat_id).await.unwrap_err(),
            scheduled::list(&client, chat_id).await.unwrap_err(),
            schedule(&client, later).await.unwrap_err(),
        ] {
            assert_eq!((refused.code(), reason(&refused).as_str()), (Code::NotFound, "CHAT_NOT_FOUND"));
        }
    }
    let reads = bed.chats.policy_reads();
    for _ in 0..5 {
        replicas[0].client(ada).pins(chat_id).await.unwrap();
        scheduled::list(&replicas[0].client(ada), chat_id).await.unwrap();
    }
    assert!(bed.chats.policy_reads() <= reads + 1, "whoever is still there is not asked for again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_who_may_only_read_cannot_post_until_they_may() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let (ada, bob) = (user(), user());
    let chat_id = bed.chat_as(&replica, pb::ChatKind::Group, &[ada, bob]).await;
    let client = replica.client(bob);
    client.send(chat_id, "m", "hi").await.unwrap();

    let version = bed.chats.silence(chat_id);
    replica.app.append_update(raise(chat_id, version)).await.unwrap();
    let refused = client.send(chat_id, "n", "hi").await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::PermissionDenied, "POSTING_NOT_ALLOWED"));
    client.sync_chat(chat_id, 0, 0, "").await.unwrap();

    let version = bed.chats.unsilence(chat_id);
    replica.app.append_update(raise(chat_id, version)).await.unwrap();
    client.send(chat_id, "n", "hi").await.unwrap();
}

async fn raise_only(replica: &Replica, chat_id: ChatId, version: u64) -> Result<(), Status> {
    let request = RaiseMembershipVersionRequest {
        chat_id: chat_id.to_string(),
        membership_version: version,
        ..RaiseMembershipVersionRequest::default()
    };
    replica.server.raise_membership_version(Request::new(request)).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_is_known_to_every_replica_when_the_version_is_raised() {
    let bed = Bed::new().await;
    let replicas = [bed.replica(), bed.replica()];
    let people = [user(), user()];
    let chat_id = bed.chat(&replicas[0], &people).await;
    for (number, replica) in replicas.iter().enumerate() {
        for person in people {
            replica.client(person).send(chat_id, &format!("warm-{number}"), "hi").await.unwrap();
        }
    }
    let reads = bed.chats.policy_reads();

    let version = bed.chats.set_blocked(chat_id, true);
    raise_only(&replicas[0], chat_id, version).await.unwrap();
    for replica in &replicas {
        for person in people {
            let refused = replica.client(person).send(chat_id, "n", "hi").await.unwrap_err();
            assert_eq!((refused.code(), reason(&refused).as_str()), (Code::PermissionDenied, "BLOCKED"));
            replica.client(person).sync_chat(chat_id, 0, 0, "").await.unwrap();
        }
    }
    assert!(bed.chats.policy_reads() > reads, "a cached policy is read again after a raise");

    let version = bed.chats.set_blocked(chat_id, false);
    raise_only(&replicas[1], chat_id, version).await.unwrap();
    for (replica, person) in replicas.iter().zip(people) {
        replica.client(person).send(chat_id, "o", "hi again").await.unwrap();
    }
    assert_eq!(replicas[0].client(people[0]).sync_chat(chat_id, 0, 0, "").await.unwrap().head_seq, 7, "no update");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_message_is_appended_after_a_raise_by_a_policy_from_before() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let (ada, bob) = (user(), user());
    for round in 0..10 {
        let chat_id = bed.chat(&replica, &[ada, bob]).await;
        let client = replica.client(ada);
        client.send(chat_id, "warm", "warm").await.unwrap();
        let sends = (0..40).map(|number| {
            let client = client.clone();
            async move { client.send(chat_id, &format!("{round}-{number}"), "racing").await }
        });
        let block = async {
            let version = bed.chats.set_blocked(chat_id, true);
            raise_only(&replica, chat_id, version).await.unwrap();
            client.sync_chat(chat_id, 0, 0, "").await.unwrap().head_seq
        };
        let (sent, head_at_return) = tokio::join!(join_all(sends), block);
        for refused in sent.into_iter().filter_map(Result::err) {
            assert_eq!(reason(&refused), "BLOCKED");
        }
        let log = client.whole_log(chat_id, 0).await;
        assert_eq!(log.last().unwrap().seq, head_at_return, "{:?}", texts(&log));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_raise_never_lowers_and_leaves_a_chat_without_a_log_alone() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let chat_id = bed.chat(&replica, &[user(), user()]).await;
    for version in [3, 7, 5] {
        raise_only(&replica, chat_id, version).await.unwrap();
    }
    let stored = bed.number(&format!("SELECT membership_version FROM chat_heads WHERE chat_id = '{chat_id}'")).await;
    assert_eq!(stored, 7);

    raise_only(&replica, ChatId::generate(&SystemClock, &SystemEntropy), 9).await.unwrap();
    assert_eq!(bed.number("SELECT count(*) FROM chat_heads").await, 1);
    let refused = raise_only(&replica, chat_id, u64::MAX).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::InvalidArgument, "INVALID_ARGUMENT"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_is_ahead_of_the_log_is_taken() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let (ada, bob) = (user(), user());
    let chat_id = bed.chat(&replica, &[ada, bob]).await;
    // Committed by the chat service, not appended yet.
    bed.chats.put(chat_id, &[ada, bob], 5);
    replica.client(ada).send(chat_id, "m", "hi").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_whose_log_has_not_begun_is_unavailable_for_sends_and_empty_for_sync() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let (ada, bob) = (user(), user());
    let chat_id = ChatId::generate(&SystemClock, &SystemEntropy);
    bed.chats.put(chat_id, &[ada, bob], 1);
    let client = replica.client(ada);

    let refused = client.send(chat_id, "m", "hi").await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::Unavailable, "CHAT_NOT_READY"));
    let page = client.sync_chat(chat_id, 0, 0, "").await.unwrap();
    assert_eq!((page.head_seq, page.reset, page.has_more), (0, false, false));
    assert!(client.sync_chat(chat_id, 3, 0, "").await.unwrap().reset);

    replica.app.append_update(created(chat_id, &[ada, bob])).await.unwrap();
    assert_eq!(client.send(chat_id, "m", "hi").await.unwrap().seq, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_without_a_caller_is_refused() {
    use godwit_contract::message::v1::SyncRequest;
    use godwit_contract::message::v1::message_service_server::MessageService as _;
    let bed = Bed::new().await;
    let replica = bed.replica();
    let refused = replica.server.sync(tonic::Request::new(SyncRequest::default())).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
}
