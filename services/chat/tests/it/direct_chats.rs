use godwit_contract::v1::update::Change;
use godwit_kernel::{ChatId, SystemEntropy, UserId};
use godwit_rpc::ServiceError as _;

use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_direct_chat_is_the_same_whoever_asks() {
    let world = World::new().await;
    let (ada, bob) = (world.person(), world.person());
    let adas = world.app.create_direct_chat(ada, bob).await.unwrap();
    let bobs = world.app.create_direct_chat(bob, ada).await.unwrap();
    assert_eq!(adas.chat.id, bobs.chat.id);
    assert_eq!((adas.chat.peer_id, bobs.chat.peer_id), (bob, ada));
    assert_eq!(world.neighbours.update_count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn when_both_ask_at_once_one_chat_results() {
    let world = World::new().await;
    for _ in 0..20 {
        let (ada, bob) = (world.person(), world.person());
        let before = world.neighbours.update_count();
        let (a, b, c, d) = tokio::join!(
            world.app.create_direct_chat(ada, bob),
            world.app.create_direct_chat(bob, ada),
            world.app.create_direct_chat(ada, bob),
            world.app.create_direct_chat(bob, ada),
        );
        let ids = [a, b, c, d].map(|result| result.unwrap().chat.id);
        assert!(ids.iter().all(|id| *id == ids[0]));
        assert_eq!(world.neighbours.update_count(), before + 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_begins_with_who_made_the_chat_and_who_is_in_it() {
    let world = World::new().await;
    let (ada, bob) = (world.person(), world.person());
    let chat = world.app.create_direct_chat(ada, bob).await.unwrap().chat;
    let logs = world.neighbours.logs.lock().unwrap();
    let (_, update) = &logs[&chat.id.to_string()][0];
    assert_eq!(update.actor_id, ada.to_string());
    let Some(Change::ChatCreated(created)) = &update.change else { unreachable!("{update:?}") };
    let mut members = [ada.to_string(), bob.to_string()];
    members.sort();
    assert_eq!(created.member_ids, members);
}

#[tokio::test(flavor = "multi_thread")]
async fn both_members_gateways_are_told_to_follow() {
    let world = World::new().await;
    let (ada, bob) = (world.person(), world.person());
    let (mut adas, mut bobs) = (world.gateway_of(ada).await, world.gateway_of(bob).await);
    let chat = world.app.create_direct_chat(ada, bob).await.unwrap().chat;
    assert_eq!(adas.told_to_follow().await, [chat.id.to_string()]);
    assert_eq!(bobs.told_to_follow().await, [chat.id.to_string()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_chats_with_themself_or_with_nobody() {
    let world = World::new().await;
    let ada = world.person();
    let stranger = UserId::generate(world.clock.as_ref(), &SystemEntropy);
    assert_eq!(world.app.create_direct_chat(ada, ada).await.unwrap_err().reason(), "INVALID_ARGUMENT");
    assert_eq!(world.app.create_direct_chat(ada, stranger).await.unwrap_err().reason(), "USER_NOT_FOUND");
    assert_eq!(world.neighbours.update_count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_chat_is_not_found() {
    let world = World::new().await;
    let (ada, bob, eve) = (world.person(), world.person(), world.person());
    let chat_id = world.app.create_direct_chat(ada, bob).await.unwrap().chat.id;
    let unknown = ChatId::generate(world.clock.as_ref(), &SystemEntropy);
    for (chat_id, user_id) in [(chat_id, eve), (unknown, ada)] {
        assert_eq!(world.app.get_chat(chat_id, user_id).await.unwrap_err().reason(), "CHAT_NOT_FOUND");
        assert_eq!(world.app.posting_policy(chat_id, user_id).await.unwrap(), None);
    }
    assert!(world.app.posting_policy(chat_id, ada).await.unwrap().unwrap().may_post);
    assert!(world.app.list_chats(eve, None, 10).await.unwrap().chats.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_show_every_chat_once_and_newest_first() {
    let world = World::new().await;
    let ada = world.person();
    let mut made = Vec::new();
    for _ in 0..7 {
        world.clock.advance(std::time::Duration::from_millis(5));
        let peer = world.person();
        made.push((world.app.create_direct_chat(ada, peer).await.unwrap().chat.id, peer));
    }
    let (mut listed, mut below) = (Vec::new(), None);
    loop {
        let page = world.app.list_chats(ada, below, 3).await.unwrap();
        listed.extend(page.chats.iter().map(|described| (described.chat.id, described.chat.peer_id)));
        below = page.next;
        if below.is_none() {
            break;
        }
    }
    assert_eq!(listed, made.iter().rev().copied().collect::<Vec<_>>());

    let (mut ids, mut above) = (Vec::new(), None);
    loop {
        let page = world.app.list_chat_ids(ada, above, 2).await.unwrap();
        ids.extend(page.items);
        above = ids.last().copied();
        if !page.has_more {
            break;
        }
    }
    assert_eq!(ids, made.iter().map(|(id, _)| *id).collect::<Vec<_>>());

    let (mut peers, mut above) = (Vec::new(), None);
    loop {
        let page = world.app.list_direct_peers(ada, above, 2).await.unwrap();
        peers.extend(page.items);
        above = peers.last().copied();
        if !page.has_more {
            break;
        }
    }
    let mut expected: Vec<UserId> = made.iter().map(|(_, peer)| *peer).collect();
    expected.sort();
    assert_eq!(peers, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn members_of_a_chat_are_listed_in_pages() {
    let world = World::new().await;
    let (ada, bob) = (world.person(), world.person());
    let chat_id = world.app.create_direct_chat(bob, ada).await.unwrap().chat.id;
    let first = world.app.list_members(chat_id, None, 1).await.unwrap();
    assert!(first.has_more);
    let second = world.app.list_members(chat_id, first.items.last().copied(), 1).await.unwrap();
    assert!(!second.has_more);
    let mut expected = [ada, bob];
    expected.sort();
    assert_eq!([first.items[0], second.items[0]], expected);
}
