use bytes::Bytes;
use godwit_contract::chat::v1::GetChannelResponse;
use godwit_contract::events::v1::account_event::Event;
use godwit_contract::events::v1::{AccountEvent, AccountPurged, ProfileChanged};
use godwit_contract::search::v1::{SearchChannelsRequest, SearchRequest, SearchUsersRequest};
use godwit_contract::v1::update::Change;
use godwit_contract::v1::{ChatCreated, ChatDeleted, ChatInfo, ChatInfoChanged, ChatKind, User};
use godwit_events::{BatchHandler as _, Record, topics};
use godwit_kernel::{ChatId, UserId};
use godwit_rpc::Failure;
use godwit_search::events::people::PeopleHandler;
use prost::Message as _;
use std::sync::Arc;
use tonic::Code;

use crate::contract::by;
use crate::world::{World, raw_record, record};

async fn join(world: &World, username: &str, display_name: &str) -> UserId {
    let user_id = world.user();
    world.chats.people().put(user_id, username, display_name);
    tell(world, user_id).await;
    user_id
}

/// Says that something of an account is another now.
async fn tell(world: &World, user_id: UserId) {
    let user = User { id: user_id.to_string(), ..User::default() };
    let changed = Event::ProfileChanged(ProfileChanged { user: Some(user) });
    PeopleHandler(Arc::clone(&world.app)).handle(&[event(user_id, changed)]).await.unwrap();
}

fn event(user_id: UserId, event: Event) -> Record {
    let payload = AccountEvent { event: Some(event), ..AccountEvent::default() }.encode_to_vec();
    let key = Bytes::copy_from_slice(user_id.as_uuid().as_bytes());
    Record { topic: topics::ACCOUNTS.name, ..raw_record(key, payload) }
}

pub async fn people(world: &World, viewer: UserId, q: &str) -> Vec<String> {
    let request = by(world, viewer, SearchUsersRequest { q: q.to_owned(), limit: 0 });
    let users = world.client().search_users(request).await.unwrap().into_inner().users;
    users.into_iter().map(|user| user.username).collect()
}

pub async fn channels(world: &World, viewer: UserId, q: &str) -> Vec<String> {
    let request = by(world, viewer, SearchChannelsRequest { q: q.to_owned(), limit: 0 });
    let channels = world.client().search_channels(request).await.unwrap().into_inner().channels;
    channels.into_iter().map(|channel| channel.info.unwrap().handle).collect()
}

fn info(handle: &str, title: &str) -> ChatInfo {
    ChatInfo { handle: handle.to_owned(), title: title.to_owned(), ..ChatInfo::default() }
}

/// A public channel as the chat service has it and tells of it.
async fn found_channel(world: &World, handle: &str, title: &str) -> ChatId {
    let chat_id = world.chat_of(&[]);
    let known = GetChannelResponse {
        chat_id: chat_id.to_string(),
        info: Some(info(handle, title)),
        subscriber_count: 7,
        is_subscribed: false,
    };
    world.chats.put_channel(handle, known);
    let created = ChatCreated { kind: ChatKind::Channel.into(), info: Some(info(handle, title)), ..Default::default() };
    let update = world.other(chat_id, 1, Change::ChatCreated(created));
    world.handler.handle(&[record(&update)]).await.unwrap();
    chat_id
}

async fn rename(world: &World, chat_id: ChatId, seq: u64, handle: &str, title: &str) -> Record {
    let changed = ChatInfoChanged { info: Some(info(handle, title)) };
    let update = record(&world.other(chat_id, seq, Change::ChatInfoChanged(changed)));
    world.handler.handle(std::slice::from_ref(&update)).await.unwrap();
    update
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_found_by_name_also_with_a_letter_wrong() {
    let world = World::new().await;
    let ada = join(&world, "ada_lovelace", "Ada Lovelace").await;
    join(&world, "adalbert", "Adalbert Stifter").await;
    join(&world, "grace", "Grace Hopper").await;
    join(&world, "koelner", "Jürgen Köln").await;
    for (q, expected) in [
        ("grace", vec!["grace"]),
        ("@Grace", vec!["grace"]),
        ("GRA", vec!["grace"]),
        ("hopper", vec!["grace"]),
        ("hoper", vec!["grace"]),
        ("lovelcae", vec!["ada_lovelace"]),
        ("jurgen", vec!["koelner"]),
        ("Köln", vec!["koelner"]),
        ("adalbert", vec!["adalbert"]),
        ("nobody", vec![]),
        ("%", vec![]),
        ("_", vec![]),
    ] {
        assert_eq!(people(&world, ada, q).await, expected, "{q}");
    }
    let mut found = people(&world, ada, "ad").await;
    found.sort_unstable();
    assert_eq!(found, ["ada_lovelace", "adalbert"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_username_as_it_stands_comes_first() {
    let world = World::new().await;
    let ada = world.user();
    for number in 0..30 {
        join(&world, &format!("tide_{number}"), "Tide").await;
    }
    join(&world, "tide", "Somebody else with a long name").await;
    assert_eq!(people(&world, ada, "tide").await.first().map(String::as_str), Some("tide"));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_blocked_either_way_is_not_found_and_avatars_are_as_privacy_has_them() {
    let world = World::new().await;
    let (ada, bob, carl) = (world.user(), join(&world, "bob_one", "B").await, join(&world, "bob_two", "B").await);
    let dora = join(&world, "bob_three", "B").await;
    world.chats.people().block(ada, bob);
    world.chats.people().block(carl, ada);
    let request = by(&world, ada, SearchUsersRequest { q: "bob".to_owned(), limit: 0 });
    let users = world.client().search_users(request).await.unwrap().into_inner().users;
    let [user] = users.as_slice() else { unreachable!("one of them: {users:?}") };
    assert_eq!((user.id.clone(), user.avatar_media_id.as_str()), (dora.to_string(), ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_renamed_or_gone_is_not_found_by_the_name_before() {
    let world = World::new().await;
    let ada = world.user();
    let (bob, carl) = (join(&world, "bobolink", "Bob").await, join(&world, "caracara", "Carl").await);
    world.chats.people().put(bob, "robert", "Robert");
    tell(&world, bob).await;
    assert!(people(&world, ada, "bobolink").await.is_empty());
    assert_eq!(people(&world, ada, "robert").await, ["robert"]);
    // Also before the stream says so.
    world.chats.people().delete(carl);
    assert!(people(&world, ada, "caracara").await.is_empty());
    let purged = Event::AccountPurged(AccountPurged { user_id: carl.to_string() });
    PeopleHandler(Arc::clone(&world.app)).handle(&[event(carl, purged)]).await.unwrap();
    assert_eq!(world.number("SELECT count(*) AS number FROM people WHERE names LIKE '%cara%'").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_changes_while_it_is_read_is_not_lost() {
    let world = World::new().await;
    let (ada, bob) = (world.user(), join(&world, "bobolink", "Bob").await);
    world.chats.people().rename_behind_the_next_answer(bob, "robert");
    // A build has the old name, and writes it after the stream wrote the new one.
    world.app.refresh_people(&[bob]).await.unwrap();
    assert_eq!(people(&world, ada, "robert").await, ["robert"]);
    assert!(people(&world, ada, "bobolink").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handle_that_another_channel_took_finds_that_one_alone_and_once() {
    let world = World::new().await;
    let ada = world.user();
    found_channel(&world, "shorebirds", "Waders of the coast").await;
    // The handle is given up and taken, and the stream tells of the second channel first.
    let heir = found_channel(&world, "shorebirds", "Sandpipers").await;
    for q in ["shorebirds", "sandpipers"] {
        let request = by(&world, ada, SearchChannelsRequest { q: q.to_owned(), limit: 0 });
        let found = world.client().search_channels(request).await.unwrap().into_inner().channels;
        let ids: Vec<&str> = found.iter().map(|channel| channel.chat_id.as_str()).collect();
        assert_eq!(ids, [heir.to_string()], "{q}");
    }
    assert!(channels(&world, ada, "waders").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn public_channels_are_found_by_handle_and_title_as_they_are_now() {
    let world = World::new().await;
    let ada = world.user();
    let chat_id = found_channel(&world, "shorebirds", "Birds of the Coast").await;
    found_channel(&world, "weather", "Wind and Weather").await;
    for q in ["shorebirds", "@shore", "shorebrids", "birds of", "coast"] {
        assert_eq!(channels(&world, ada, q).await, ["shorebirds"], "{q}");
    }
    let request = by(&world, ada, SearchChannelsRequest { q: "shorebirds".to_owned(), limit: 0 });
    let answer = world.client().search_channels(request).await.unwrap().into_inner();
    let hit = answer.channels.first().unwrap();
    assert_eq!((hit.chat_id.clone(), hit.subscriber_count, hit.is_subscribed), (chat_id.to_string(), 7, false));
    let old = rename(&world, chat_id, 5, "shorebirds", "Waders").await;
    rename(&world, chat_id, 9, "", "Private now").await;
    world.handler.handle(&[old]).await.unwrap();
    assert!(channels(&world, ada, "shorebirds").await.is_empty());
    // Also before the stream says so.
    world.chats.remove_channel("weather");
    assert!(channels(&world, ada, "weather").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_groups_nor_deleted_channels_are_found_by_name() {
    let world = World::new().await;
    let ada = world.user();
    let group = world.chat_of(&[ada]);
    rename(&world, group, 2, "", "Shorebird watchers").await;
    assert_eq!(world.number("SELECT count(*) AS number FROM channels").await, 0);
    let gone = found_channel(&world, "shorebirds", "Birds").await;
    let deleted = world.other(gone, 9, Change::ChatDeleted(ChatDeleted {}));
    world.handler.handle(&[record(&deleted)]).await.unwrap();
    rename(&world, gone, 8, "shorebirds", "Birds").await;
    assert!(channels(&world, ada, "shorebirds").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_call_finds_people_channels_and_messages() {
    let world = World::new().await;
    let ada = world.user();
    join(&world, "shore_walker", "Walker").await;
    found_channel(&world, "shorebirds", "Birds").await;
    world.index(world.chat_of(&[ada]), 2, "at the shore").await;
    let request = by(&world, ada, SearchRequest { q: "shore".to_owned(), limit: 0 });
    let found = world.client().search(request).await.unwrap().into_inner();
    assert_eq!(found.users.iter().map(|user| user.username.as_str()).collect::<Vec<_>>(), ["shore_walker"]);
    assert_eq!(found.channels.len(), 1);
    let messages = found.messages.unwrap();
    assert_eq!(messages.messages.iter().map(|message| message.text.as_str()).collect::<Vec<_>>(), ["at the shore"]);
    assert_eq!(messages.highlights.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_call_shows_neither_who_is_blocked_nor_what_was_said_elsewhere_or_is_hidden() {
    let world = World::new().await;
    let ada = world.user();
    let (bob, carl) = (join(&world, "shore_bob", "B").await, join(&world, "shore_carl", "C").await);
    let dora = join(&world, "shore_dora", "D").await;
    world.chats.people().block(ada, bob);
    world.chats.people().block(carl, ada);
    world.index(world.chat_of(&[dora]), 2, "at their shore").await;
    let (left, late) = (world.chat_of(&[ada]), world.chat_of(&[ada]));
    world.index(left, 2, "at the shore that was left").await;
    world.chats.leave(left, ada);
    world.index(late, 2, "at the shore before").await;
    world.index(late, 3, "at the shore since").await;
    world.chats.hide_before(late, ada, 3);
    let request = by(&world, ada, SearchRequest { q: "shore".to_owned(), limit: 0 });
    let found = world.client().search(request).await.unwrap().into_inner();
    assert_eq!(found.users.iter().map(|user| user.username.as_str()).collect::<Vec<_>>(), ["shore_dora"]);
    let texts: Vec<String> = found.messages.unwrap().messages.into_iter().map(|message| message.text).collect();
    assert_eq!(texts, ["at the shore since"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_beyond_the_limits_are_refused_with_the_field() {
    let world = World::new().await;
    let ada = world.user();
    for q in ["", " ", "@", "a\0b", &"é".repeat(65)] {
        let request = by(&world, ada, SearchUsersRequest { q: q.to_owned(), limit: 0 });
        let failure = Failure::from_status(&world.client().search_users(request).await.unwrap_err());
        assert_eq!((failure.code, failure.fields.first().unwrap().field.as_str()), (Code::InvalidArgument, "q"), "{q}");
    }
    // What is too long for a name may still be words.
    let request = by(&world, ada, SearchRequest { q: "é".repeat(65), limit: 0 });
    assert!(world.client().search(request).await.unwrap().into_inner().users.is_empty());
}
