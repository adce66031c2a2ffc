use futures_util::future::join_all;
use godwit_contract::v1 as pb;
use godwit_message::app::AppendUpdate;
use godwit_message::domain::MembershipVersion;
use tonic::Code;

use crate::harness::{Bed, created, reason, seqs, texts, user};

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_come_together_keep_their_order_and_each_is_judged_by_itself() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let (ada, bob) = (user(), user());
    let chat_id = bed.chat(&replica, &[ada, bob]).await;

    let messages =
        [("1", "one"), ("2", ""), ("3", "three"), ("1", "one"), ("3", "another text"), ("6", "six"), ("", "no id")];
    let results = replica.client(ada).send_together(chat_id, &messages).await.unwrap();
    let told: Vec<_> = results.iter().map(|result| result.as_ref().map(|m| m.seq).map_err(|f| &*f.reason)).collect();
    let (invalid, reused) = (Err("INVALID_ARGUMENT"), Err("CLIENT_MESSAGE_ID_REUSED"));
    assert_eq!(told, [Ok(2), invalid, Ok(3), Ok(2), reused, Ok(4), invalid]);
    assert_eq!(results[1].as_ref().unwrap_err().fields[0].field, "text");

    let log = replica.client(bob).whole_log(chat_id, 0).await;
    assert_eq!(texts(&log), ["one", "three", "six"]);
    let again = replica.client(ada).send_together(chat_id, &messages[..1]).await.unwrap();
    assert_eq!(again[0], results[0], "the first result, whole");
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_come_together_keep_their_order_though_the_members_change_meanwhile() {
    const ROUNDS: usize = 10;
    const EACH: usize = 20;
    let bed = Bed::new().await;
    let replicas = [bed.replica(), bed.replica()];
    let (ada, bob, eve) = (user(), user(), user());
    let chat_id = bed.chat_as(&replicas[0], pb::ChatKind::Group, &[ada, bob, eve]).await;

    let senders = [(ada, &replicas[0]), (bob, &replicas[1])].map(|(person, replica)| async move {
        for round in 0..ROUNDS {
            let texts: Vec<String> = (0..EACH).map(|number| format!("{person}-{:03}", round * EACH + number)).collect();
            let messages: Vec<_> = texts.iter().map(|text| (text.as_str(), text.as_str())).collect();
            let results = replica.client(person).send_together(chat_id, &messages).await.unwrap();
            let seqs: Vec<u64> = results.into_iter().map(|result| result.unwrap().seq).collect();
            assert!(seqs.is_sorted(), "{seqs:?}");
        }
    });
    let changes = async {
        for _ in 0..2 * ROUNDS {
            bed.chats.promote(chat_id, eve);
            let membership_version = MembershipVersion::new(bed.chats.demote(chat_id, eve)).unwrap();
            let update = AppendUpdate { membership_version, ..created(chat_id, &[]) };
            replicas[0].app.append_update(update).await.unwrap();
        }
    };
    futures_util::future::join(join_all(senders), changes).await;

    let log = replicas[1].client(ada).whole_log(chat_id, 100).await;
    assert!(seqs(&log).into_iter().eq(1..=u64::try_from(log.len()).unwrap()));
    for person in [ada, bob] {
        let own: Vec<_> = texts(&log).into_iter().filter(|text| text.starts_with(&person.to_string())).collect();
        assert_eq!(own.len(), ROUNDS * EACH);
        assert!(own.is_sorted(), "{own:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn none_of_the_messages_of_who_may_not_post_is_taken() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let (ada, bob) = (user(), user());
    let chat_id = bed.chat_as(&replica, pb::ChatKind::Group, &[ada, bob]).await;
    let messages = [("1", "one"), ("2", "two")];

    let strangers = replica.client(user()).send_together(chat_id, &messages).await.unwrap();
    assert!(strangers.iter().all(|result| result.as_ref().unwrap_err().reason == "CHAT_NOT_FOUND"));

    replica.client(bob).send(chat_id, "warm", "hi").await.unwrap();
    let membership_version = MembershipVersion::new(bed.chats.silence(chat_id)).unwrap();
    replica.app.append_update(AppendUpdate { membership_version, ..created(chat_id, &[]) }).await.unwrap();
    let silenced = replica.client(bob).send_together(chat_id, &messages).await.unwrap();
    assert!(silenced.iter().all(|result| result.as_ref().unwrap_err().reason == "POSTING_NOT_ALLOWED"));
    assert_eq!(texts(&replica.client(ada).whole_log(chat_id, 0).await), ["hi"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn at_most_64_messages_come_together() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let ada = user();
    let chat_id = bed.chat(&replica, &[ada, user()]).await;
    let ids: Vec<String> = (0..65).map(|number| number.to_string()).collect();
    let messages: Vec<_> = ids.iter().map(|id| (id.as_str(), "hi")).collect();
    let refused = replica.client(ada).send_together(chat_id, &messages).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::InvalidArgument, "INVALID_ARGUMENT"));
    let taken = replica.client(ada).send_together(chat_id, &messages[..64]).await.unwrap();
    assert!(taken.iter().map(|result| result.as_ref().unwrap().seq).eq(2..66));
}
