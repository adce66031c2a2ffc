//! How far people have come, and what is unread to them.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use godwit_contract::v1 as pb;
use godwit_kernel::UserId;
use godwit_message::app::COUNTS_MAX;
use godwit_message::domain::own_log;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::harness::{Bed, append, reason, user};

#[tokio::test(flavor = "multi_thread")]
async fn cursors_only_grow_and_stop_at_the_head() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let (ada, bob) = (user(), user());
    let chat_id = bed.chat(&replica, &[ada, bob]).await;
    for name in 0..5 {
        replica.client(ada).send(chat_id, &name.to_string(), "hi").await.unwrap();
    }
    let reader = replica.client(bob);
    let cursors = |receipt: pb::Receipt| (receipt.read_seq, receipt.delivered_seq);
    assert_eq!(cursors(reader.deliver(chat_id, 4).await.unwrap()), (0, 4));
    assert_eq!(cursors(reader.read(chat_id, 3).await.unwrap()), (3, 4));
    assert_eq!(cursors(reader.read(chat_id, 2).await.unwrap()), (3, 4));
    assert_eq!(reader.head(chat_id).await.unread_count, 3);
    let head = replica.client(ada).head(chat_id).await;
    assert_eq!(head.receipts.iter().map(|one| one.read_seq).collect::<Vec<_>>(), [3], "the other one's");
    assert_eq!(cursors(reader.read(chat_id, 1_000).await.unwrap()), (8, 8), "the two receipts are updates too");
    assert_eq!(reader.head(chat_id).await.unread_count, 0);
    let log = reader.whole_log(chat_id, 0).await;
    assert_eq!(log.len(), 9);
    let Some(pb::update::Change::ReceiptAdvanced(last)) = &log[8].change else { panic!("{log:?}") };
    assert_eq!((last.read_seq, last.delivered_seq, &log[8].actor_id), (8, 8, &bob.to_string()));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_advance_is_one_update_however_often_it_is_told() {
    let bed = Bed::new().await;
    let replicas = [bed.replica(), bed.replica()];
    let (ada, bob) = (user(), user());
    let chat_id = bed.chat(&replicas[0], &[ada, bob]).await;
    for name in 0..20 {
        replicas[0].client(ada).send(chat_id, &name.to_string(), "hi").await.unwrap();
    }
    let clients = [replicas[0].client(bob), replicas[1].client(bob)];
    let reads = (0..40_u64).map(|number| clients[usize::try_from(number % 2).unwrap()].read(chat_id, 21));
    for receipt in join_all(reads).await {
        assert_eq!(receipt.unwrap().read_seq, 21);
    }
    assert_eq!(clients[0].whole_log(chat_id, 0).await.len(), 22);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_large_chat_only_the_reader_is_told() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let (ada, bob) = (user(), user());
    let chat_id = bed.chat_as(&replica, pb::ChatKind::Group, &[ada, bob]).await;
    bed.chats.count_members(chat_id, 201);
    let sent = replica.client(ada).send(chat_id, "m", "hi").await.unwrap();
    let reader = replica.client(bob);
    reader.deliver(chat_id, 2).await.unwrap();
    assert_eq!(bed.chats.openings(), 0, "what is delivered is told to nobody");
    reader.read(chat_id, 2).await.unwrap();
    assert_eq!(reader.whole_log(chat_id, 0).await.len(), 2);
    let own = reader.whole_log(own_log(bob), 0).await.pop().unwrap();
    let Some(pb::update::Change::OwnReadAdvanced(read)) = &own.change else { panic!("{own:?}") };
    assert_eq!((read.chat_id.clone(), read.read_seq), (chat_id.to_string(), 2));
    let receipts = replica.client(ada).receipts(&sent.id).await.unwrap();
    assert_eq!((receipts.read_count, receipts.delivered_count), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_channel_of_any_size_only_the_reader_is_told() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let (ada, bob) = (user(), user());
    let chat_id = bed.chat_as(&replica, pb::ChatKind::Channel, &[ada, bob]).await;
    replica.client(ada).send(chat_id, "m", "news").await.unwrap();
    let reader = replica.client(bob);
    reader.deliver(chat_id, 2).await.unwrap();
    reader.read(chat_id, 2).await.unwrap();
    assert_eq!(replica.client(ada).whole_log(chat_id, 0).await.len(), 2, "who subscribes is not told");
    let own = reader.whole_log(own_log(bob), 0).await.pop().unwrap();
    assert!(matches!(&own.change, Some(pb::update::Change::OwnReadAdvanced(read)) if read.read_seq == 2), "{own:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn receipts_of_a_message_are_those_of_the_others_who_came_to_it() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let members: Vec<_> = (0..4).map(|_| user()).collect();
    let chat_id = bed.chat_as(&replica, pb::ChatKind::Group, &members).await;
    let sent = replica.client(members[0]).send(chat_id, "m", "hi").await.unwrap();
    replica.client(members[0]).read(chat_id, 2).await.unwrap();
    replica.client(members[1]).read(chat_id, 2).await.unwrap();
    replica.client(members[2]).deliver(chat_id, 2).await.unwrap();
    let found = replica.client(members[0]).receipts(&sent.id).await.unwrap();
    assert_eq!((found.read_count, found.delivered_count), (1, 2));
    let named: BTreeSet<String> = found.receipts.into_iter().map(|receipt| receipt.user_id).collect();
    assert_eq!(named, BTreeSet::from([members[1].to_string(), members[2].to_string()]));

    let channel = bed.chat_as(&replica, pb::ChatKind::Channel, &members).await;
    let news = replica.client(members[0]).send(channel, "m", "news").await.unwrap();
    assert_eq!(reason(&replica.client(members[1]).receipts(&news.id).await.unwrap_err()), "RECEIPTS_HIDDEN");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_read_is_named_among_200_members_and_only_counted_among_201() {
    let bed = Bed::new().await;
    let replica = bed.replica();
    let (ada, bob) = (user(), user());
    let chat_id = bed.chat_as(&replica, pb::ChatKind::Group, &[ada, bob]).await;
    let sender = replica.client(ada);
    let sent = sender.send(chat_id, "m", "hi").await.unwrap();
    replica.client(bob).read(chat_id, sent.seq).await.unwrap();
    for (joining, named, others) in [(198, vec![bob.to_string()], 199), (1, Vec::new(), 0)] {
        bed.run_sql(&format!(
            "INSERT INTO participants (chat_id, user_id, joined_seq)
             SELECT '{chat_id}', gen_random_uuid(), 1 FROM generate_series(1, {joining})"
        ))
        .await;
        let found = sender.receipts(&sent.id).await.unwrap();
        assert_eq!((found.read_count, found.delivered_count), (1, 1));
        assert_eq!(found.receipts.into_iter().map(|receipt| receipt.user_id).collect::<Vec<_>>(), named);
        assert_eq!(sender.head(chat_id).await.receipts.len(), others);
    }
    // Of many that are large a few are counted at the same time.
    bed.chats.count_members(chat_id, 201);
    let reader = bed.replica().client(ada);
    assert_eq!(reader.receipts(&sent.id).await.unwrap().read_count, 1);
    let busy = bed.replica();
    let all = busy.app.counting.acquire_many(u32::try_from(COUNTS_MAX).unwrap()).await.unwrap();
    assert_eq!(reason(&busy.client(ada).receipts(&sent.id).await.unwrap_err()), "OVERLOADED");
    drop(all);
    assert_eq!(busy.client(ada).receipts(&sent.id).await.unwrap().read_count, 1);
}

/// How far everybody has come is told again when a group has come down to 200 members: while there were more it was told to
/// nobody, but is what a snapshot says from then on.
#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_comes_down_to_200_members_tells_how_far_each_has_come() {
    use pb::update::Change;
    let bed = Bed::new().await;
    let replica = bed.replica();
    let members: Vec<_> = (0..200).map(|_| user()).collect();
    let (ada, bob, eve, late) = (members[0], members[1], members[2], user());
    let chat_id = bed.chat_as(&replica, pb::ChatKind::Group, &members).await;
    let sent = replica.client(ada).send(chat_id, "m", "hi").await.unwrap();
    replica.client(bob).deliver(chat_id, sent.seq).await.unwrap();
    bed.join(&replica, chat_id, late, false).await;
    for reading in [bob, late] {
        replica.client(reading).read(chat_id, sent.seq).await.unwrap();
    }
    assert!(replica.client(ada).head(chat_id).await.receipts.is_empty(), "they are 201");
    let before = replica.client(ada).whole_log(chat_id, 1_000).await.len();

    let version = bed.chats.remove(chat_id, late);
    let removed = |member_count| {
        let user_id = late.to_string();
        let removed = pb::MemberRemoved { user_id, member_count, ..pb::MemberRemoved::default() };
        append(chat_id, Change::MemberRemoved(removed), version)
    };
    replica.app.append_update(removed(200)).await.unwrap();
    replica.client(eve).deliver(chat_id, sent.seq).await.unwrap();
    let log = replica.client(ada).whole_log(chat_id, 1_000).await;
    let changes: Vec<Change> = log[before..].iter().map(|update| update.change.clone().unwrap()).collect();
    let receipt = |user: UserId, read_seq| pb::Receipt { user_id: user.to_string(), read_seq, delivered_seq: sent.seq };
    let [Change::MemberRemoved(told), Change::ReceiptAdvanced(_)] = &changes[..] else { panic!("{changes:?}") };
    assert_eq!((told.user_id.clone(), told.member_count), (late.to_string(), 200));
    assert_eq!(told.receipts, [receipt(bob, sent.seq)], "not of who left, nor of who has received nothing");
    let mut shown = replica.client(ada).head(chat_id).await.receipts;
    shown.retain(|receipt| receipt.delivered_seq > 0);
    shown.sort_by_key(|receipt| receipt.read_seq);
    assert_eq!(shown, [receipt(eve, 0), receipt(bob, sent.seq)]);
    // Of another number of members nothing is told: it is known, or there are too many.
    for member_count in [199, 201] {
        replica.app.append_update(removed(member_count)).await.unwrap();
        let log = replica.client(ada).whole_log(chat_id, 1_000).await;
        let Some(Change::MemberRemoved(told)) = &log.last().unwrap().change else { panic!("{log:?}") };
        assert!(told.receipts.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn chats_are_ranked_by_their_newest_message() {
    use godwit_contract::message::v1 as api;
    use godwit_contract::message::v1::message_internal_service_server::MessageInternalService as _;
    let bed = Bed::new().await;
    let replica = bed.replica();
    let (ada, bob) = (user(), user());
    let mut chats = Vec::new();
    for _ in 0..5 {
        chats.push(bed.chat(&replica, &[ada, bob]).await);
    }
    for index in [3, 0, 4] {
        replica.client(ada).send(chats[index], "m", "hi").await.unwrap();
    }
    replica.client(bob).read(chats[3], 2).await.unwrap();
    let mut ranked = Vec::new();
    let mut after = None;
    loop {
        let chat_ids = chats.iter().map(ToString::to_string).collect();
        let request = api::RankChatsRequest { chat_ids, after: after.clone(), limit: 2 };
        let page = replica.server.rank_chats(tonic::Request::new(request)).await.unwrap().into_inner().ranks;
        let Some(last) = page.last().cloned() else { break };
        ranked.extend(page.into_iter().map(|rank| rank.chat_id));
        after = Some(last);
    }
    let expected: Vec<String> = [4, 0, 3, 2, 1].iter().map(|index| chats[*index].to_string()).collect();
    assert_eq!(ranked, expected, "a receipt moves no chat up");
}

#[derive(Clone, Debug)]
enum Op {
    Send { by: usize, mentions: bool },
    Delete { pick: usize },
    Hide { by: usize, pick: usize },
    Edit { pick: usize, mentions: bool },
    Read { by: usize, seq: u64 },
    Clear { by: usize },
    Rejoin { who: usize, is_history_hidden: bool },
}

fn op() -> impl Strategy<Value = Op> {
    let (by, pick) = (0..3_usize, any::<usize>());
    prop_oneof![
        6 => (by.clone(), any::<bool>()).prop_map(|(by, mentions)| Op::Send { by, mentions }),
        2 => pick.prop_map(|pick| Op::Delete { pick }),
        2 => (by.clone(), pick).prop_map(|(by, pick)| Op::Hide { by, pick }),
        2 => (pick, any::<bool>()).prop_map(|(pick, mentions)| Op::Edit { pick, mentions }),
        2 => (by.clone(), 0..40_u64).prop_map(|(by, seq)| Op::Read { by, seq }),
        1 => by.prop_map(|by| Op::Clear { by }),
        1 => (1..3_usize, any::<bool>()).prop_map(|(who, is_history_hidden)| Op::Rejoin { who, is_history_hidden }),
    ]
}

/// Whatever happened, what is said to be unread is what the history holds behind what was read.
#[tokio::test(flavor = "multi_thread")]
async fn unread_counts_are_always_those_of_a_recount() {
    let bed = Bed::new().await;
    let replicas = [bed.replica(), bed.replica()];
    let runtime = tokio::runtime::Handle::current();
    let options =
        ProptestConfig { cases: 30, max_shrink_iters: 20, failure_persistence: None, ..ProptestConfig::default() };
    let members: Vec<_> = (0..3).map(|_| user()).collect();
    for (index, member) in members.iter().enumerate() {
        bed.chats.users.name(&format!("member{index}"), *member);
    }
    tokio::task::block_in_place(|| {
        TestRunner::new(options)
            .run(&prop::collection::vec(op(), 1..30), |ops| {
                runtime.block_on(async {
                    let chat_id = bed.chat_as(&replicas[0], pb::ChatKind::Group, &members).await;
                    let clients = replicas
                        .each_ref()
                        .map(|replica| members.iter().map(|member| replica.client(*member)).collect::<Vec<_>>());
                    let mut joined = [1_u64; 3];
                    let mut sent: Vec<(String, usize)> = Vec::new();
                    for (number, op) in ops.into_iter().enumerate() {
                        let (replica, clients) = (&replicas[number % 2], &clients[number % 2]);
                        let picked = |pick: usize| pick.checked_rem(sent.len()).map(|index| sent[index].clone());
                        let text =
                            |mentions: bool| if mentions { format!("@member1 {number}") } else { number.to_string() };
                        match op {
                            Op::Send { by, mentions } => {
                                let name = number.to_string();
                                sent.push((clients[by].send(chat_id, &name, &text(mentions)).await.unwrap().id, by));
                            }
                            Op::Delete { pick } => {
                                let Some((id, _)) = picked(pick) else { continue };
                                clients[0].delete(&id).await.ok();
                            }
                            Op::Hide { by, pick } => {
                                let Some((id, _)) = picked(pick) else { continue };
                                clients[by].hide(&id).await.ok();
                            }
                            Op::Edit { pick, mentions } => {
                                let Some((id, by)) = picked(pick) else { continue };
                                clients[by].edit(&id, &text(mentions)).await.ok();
                            }
                            Op::Read { by, seq } => drop(clients[by].read(chat_id, seq).await.unwrap()),
                            Op::Clear { by } => clients[by].clear(chat_id).await.unwrap(),
                            Op::Rejoin { who, is_history_hidden } => {
                                bed.leave(replica, chat_id, members[who]).await;
                                bed.join(replica, chat_id, members[who], is_history_hidden).await;
                                joined[who] =
                                    clients[who].sync_chat(chat_id, u64::MAX >> 1, 1, "").await.unwrap().head_seq;
                            }
                        }
                    }
                    for (index, client) in clients[1].iter().enumerate() {
                        let head = client.head(chat_id).await;
                        let own = members[index].to_string();
                        let unread: Vec<pb::Message> = client
                            .messages(chat_id)
                            .await
                            .into_iter()
                            .filter(|message| {
                                message.sender_id != own && message.seq > head.read_seq.max(joined[index])
                            })
                            .collect();
                        let mentions =
                            unread.iter().filter(|message| message.entities.iter().any(|e| e.user_id == own));
                        assert_eq!(
                            (head.unread_count as usize, head.unread_mention_count as usize),
                            (unread.len(), mentions.count())
                        );
                    }
                });
                Ok(())
            })
            .unwrap();
    });
}
