use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use godwit_client::{ConnectOptions, ConnectionState, Encoding, Event, Events, Snapshot};
use godwit_contract::message::v1::UnloggedState;
use godwit_contract::v1::update::Change;
use godwit_contract::v1::{
    AdvancedFrame, ChatJoined, ChatLeft, Draft, Member, MembersAdded, ResyncFrame, server_frame,
};
use godwit_kernel::{ChatId, Entropy, SystemEntropy};
use tokio::time::timeout;

use crate::server::{Live, SOON, Server, chat_id};

async fn next(events: &mut Events) -> Event {
    timeout(SOON, events.next()).await.unwrap().unwrap()
}

/// Takes events until every chat has come as far as it is on the server, and checks that they come in order.
async fn take_all(server: &Server, events: &mut Events, seqs: &mut BTreeMap<String, u64>) {
    loop {
        let heads: BTreeMap<_, _> =
            server.account.lock().chats.iter().map(|(chat, log)| (chat.clone(), log.len() as u64)).collect();
        if *seqs == heads {
            return;
        }
        match next(events).await {
            Event::Update(update) => {
                let seq = seqs.entry(update.chat_id).or_default();
                assert_eq!(update.seq, *seq + 1);
                *seq = update.seq;
            }
            Event::ChatLoaded(chat) => drop(seqs.insert(chat.id.clone(), chat.seq)),
            other => panic!("{other:?}"),
        }
    }
}

fn pick<T: Copy, const N: usize>(of: [T; N]) -> T {
    let entropy: &dyn Entropy = &SystemEntropy;
    let index = entropy.below(u32::try_from(N).unwrap());
    *of.get(usize::try_from(index).unwrap()).unwrap()
}

async fn everything_comes_once_and_in_order(encoding: Encoding, event_capacity: usize) {
    everything_comes_from(&Server::start().await, encoding, event_capacity).await;
}

async fn everything_comes_from(server: &Arc<Server>, encoding: Encoding, event_capacity: usize) {
    let chats = [chat_id(), chat_id(), chat_id()];
    server.append(chats[0], Live::Lost);
    let client = server.client();
    let options = ConnectOptions {
        encoding,
        event_capacity,
        sync_interval: Duration::from_millis(700),
        ..ConnectOptions::default()
    };
    let (connection, mut events) = client.connect(options);
    timeout(SOON, connection.live()).await.unwrap().unwrap();
    let mut seqs = BTreeMap::new();
    for round in 0..12 {
        for _ in 0..40 {
            server.append(pick(chats), pick([Live::Once, Live::Once, Live::Once, Live::Twice, Live::Lost, Live::Late]));
        }
        match round % 4 {
            1 => server.break_off(),
            2 => server.broadcast(server_frame::Frame::Resync(ResyncFrame::default())),
            3 => server.close(1012),
            _ => {}
        }
        // Every other round the application falls behind.
        if round % 2 == 1 {
            take_all(server, &mut events, &mut seqs).await;
        }
    }
    take_all(server, &mut events, &mut seqs).await;
}

#[tokio::test]
async fn whatever_the_network_does_everything_comes_once_and_in_order() {
    everything_comes_once_and_in_order(Encoding::Binary, 1_024).await;
}

#[tokio::test]
async fn a_newer_server_is_understood() {
    for encoding in [Encoding::Json, Encoding::Binary] {
        let server = Server::start().await;
        server.is_newer.store(true, Ordering::Relaxed);
        everything_comes_from(&server, encoding, 1_024).await;
    }
}

#[tokio::test]
async fn json_frames_carry_the_same() {
    everything_comes_once_and_in_order(Encoding::Json, 1_024).await;
}

#[tokio::test]
async fn an_application_that_is_behind_gets_everything_all_the_same() {
    everything_comes_once_and_in_order(Encoding::Binary, 2).await;
}

#[tokio::test]
async fn a_resync_with_a_pause_is_followed_after_it() {
    let server = Server::start().await;
    let chat = chat_id();
    server.append(chat, Live::Lost);
    let (connection, mut events) = server.client().connect(ConnectOptions::default());
    timeout(SOON, connection.live()).await.unwrap().unwrap();
    assert!(matches!(next(&mut events).await, Event::ChatLoaded(_)));
    server.append(chat, Live::Lost);
    let told_at = Instant::now();
    server.broadcast(server_frame::Frame::Resync(ResyncFrame { after_ms: 400 }));
    let Event::Update(update) = next(&mut events).await else { panic!("an update") };
    assert_eq!(update.seq, 2);
    assert!(told_at.elapsed() >= Duration::from_millis(400), "it did not wait");
}

#[tokio::test]
async fn a_connection_begins_with_the_chats_as_they_are() {
    let server = Server::start().await;
    let (old, new) = (chat_id(), chat_id());
    for _ in 0..3 {
        server.append(old, Live::Lost);
    }
    let (connection, mut events) = server.client().connect(ConnectOptions::default());
    let Event::ChatLoaded(chat) = next(&mut events).await else { panic!() };
    assert_eq!((chat.id, chat.seq), (old.to_string(), 3));
    timeout(SOON, connection.live()).await.unwrap().unwrap();
    server.append(old, Live::Once);
    expect_update(&mut events, old, 4).await;
    // A chat that is new is told from its beginning, also when that was lost.
    server.append(new, Live::Lost);
    server.append(new, Live::Once);
    expect_update(&mut events, new, 1).await;
    expect_update(&mut events, new, 2).await;
}

async fn expect_update(events: &mut Events, chat: ChatId, seq: u64) {
    match next(events).await {
        Event::Update(update) => assert_eq!((update.chat_id, update.seq), (chat.to_string(), seq)),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn from_a_snapshot_nothing_comes_twice_and_nothing_is_left_out() {
    let server = Server::start().await;
    let chat = chat_id();
    let (connection, mut events) = server.client().connect(ConnectOptions::default());
    timeout(SOON, connection.live()).await.unwrap().unwrap();
    for _ in 0..20 {
        server.append(chat, Live::Once);
    }
    for seq in 1..=9 {
        expect_update(&mut events, chat, seq).await;
    }
    let stored = serde_json::to_string(&events.snapshot()).unwrap();
    connection.close().await;
    drop((connection, events));

    server.append(chat, Live::Lost);
    let snapshot: Snapshot = serde_json::from_str(&stored).unwrap();
    let options = ConnectOptions { snapshot: Some(snapshot), ..ConnectOptions::default() };
    let (_connection, mut events) = server.client().connect(options);
    for seq in 10..=21 {
        expect_update(&mut events, chat, seq).await;
    }
}

#[tokio::test]
async fn a_log_that_was_rebuilt_is_loaded_again() {
    let server = Server::start().await;
    let chat = chat_id();
    server.append(chat, Live::Lost);
    let (connection, mut events) = server.client().connect(ConnectOptions::default());
    timeout(SOON, connection.live()).await.unwrap().unwrap();
    let Event::ChatLoaded(_) = next(&mut events).await else { panic!() };
    // Restored from a backup: shorter numbers under another name.
    {
        let mut account = server.account.lock();
        account.epochs.insert(chat.to_string(), "e2".to_owned());
        for update in account.chats.get_mut(&chat.to_string()).unwrap() {
            update.epoch = "e2".to_owned();
        }
    }
    server.append(chat, Live::Once);
    let Event::ChatLoaded(loaded) = next(&mut events).await else { panic!() };
    assert_eq!((loaded.epoch.as_str(), loaded.seq), ("e2", 2));
    server.append(chat, Live::Once);
    expect_update(&mut events, chat, 3).await;
}

#[tokio::test]
async fn a_cursor_that_the_server_gave_up_is_begun_anew() {
    let server = Server::start().await;
    let (known, unknown) = (chat_id(), chat_id());
    for chat in [known, known, unknown] {
        server.append(chat, Live::Lost);
    }
    let mut snapshot = Snapshot { cursor: "from another age".to_owned(), ..Snapshot::default() };
    let position = godwit_client::log::Position { seq: 1, epoch: "e1".to_owned() };
    snapshot.chats.insert(known.to_string(), position);
    let options = ConnectOptions { snapshot: Some(snapshot), ..ConnectOptions::default() };
    let (connection, mut events) = server.client().connect(options);
    timeout(SOON, connection.live()).await.unwrap().unwrap();
    let mut seqs = BTreeMap::from([(known.to_string(), 1)]);
    take_all(&server, &mut events, &mut seqs).await;
    assert_eq!(connection.state(), ConnectionState::Live);
}

#[tokio::test]
async fn of_chats_that_no_list_names_after_that_it_is_told_that_they_are_gone() {
    let server = Server::start().await;
    let (known, gone) = (chat_id(), chat_id());
    server.append(known, Live::Lost);
    let mut snapshot = Snapshot { cursor: "from another age".to_owned(), ..Snapshot::default() };
    let position = godwit_client::log::Position { seq: 1, epoch: "e1".to_owned() };
    for chat in [known, gone] {
        snapshot.chats.insert(chat.to_string(), position.clone());
    }
    let options = ConnectOptions { snapshot: Some(snapshot), ..ConnectOptions::default() };
    let (_connection, mut events) = server.client().connect(options);
    assert_eq!(next(&mut events).await, Event::ChatGone(gone));
}

#[tokio::test]
async fn what_is_there_only_for_who_asks_is_asked_for_at_once() {
    let server = Server::start().await;
    let chat = chat_id();
    server.append(chat, Live::Lost);
    let (connection, mut events) = server.client().connect(ConnectOptions::default());
    timeout(SOON, connection.live()).await.unwrap().unwrap();
    assert!(matches!(next(&mut events).await, Event::ChatLoaded(_)));
    server.append(chat, Live::Lost);
    for seq in [2, 1] {
        let advanced = AdvancedFrame { chat_id: chat.to_string(), seq };
        server.broadcast(server_frame::Frame::Advanced(advanced));
    }
    expect_update(&mut events, chat, 2).await;
    let path = format!("/chats/{chat}/sync");
    let calls = server.call_count(&path);
    server.append(chat, Live::Once);
    expect_update(&mut events, chat, 3).await;
    assert_eq!(server.call_count(&path), calls, "what is known is not asked for");
}

#[tokio::test]
async fn a_chat_that_cannot_be_synced_stops_no_other() {
    let server = Server::start().await;
    let (damaged, sound) = (chat_id(), chat_id());
    for chat in [damaged, sound] {
        server.append(chat, Live::Lost);
    }
    let (connection, mut events) = server.client().connect(ConnectOptions::default());
    timeout(SOON, connection.live()).await.unwrap().unwrap();
    for _ in 0..2 {
        assert!(matches!(next(&mut events).await, Event::ChatLoaded(_)));
    }
    server.account.lock().failing.insert(damaged.to_string());
    for chat in [damaged, sound] {
        server.append(chat, Live::Lost);
        server.append(chat, Live::Once);
    }
    for seq in [2, 3] {
        expect_update(&mut events, sound, seq).await;
    }
    assert_eq!(connection.state(), ConnectionState::Syncing, "something is missing");
    let cursor = events.snapshot().cursor;
    // The account is synced, but of one chat not all is told.
    let syncs = server.call_count("/sync");
    server.append(sound, Live::Lost);
    server.broadcast(server_frame::Frame::Resync(ResyncFrame::default()));
    expect_update(&mut events, sound, 4).await;
    server.called_again("/sync", syncs).await;
    server.append(sound, Live::Once);
    expect_update(&mut events, sound, 5).await;
    assert_eq!(events.snapshot().cursor, cursor);
    server.account.lock().failing.clear();
    for seq in [2, 3] {
        expect_update(&mut events, damaged, seq).await;
    }
    timeout(SOON, connection.live()).await.unwrap().unwrap();
    server.append(sound, Live::Once);
    expect_update(&mut events, sound, 6).await;
    assert_ne!(events.snapshot().cursor, cursor);
}

/// While a chat that one came to cannot be loaded, what is synced of it does not make it forgotten.
#[tokio::test]
async fn a_chat_that_cannot_be_loaded_now_is_loaded_later_whatever_is_told_of_it() {
    let server = Server::start().await;
    let (own, joined) = (chat_id(), chat_id());
    server.append(own, Live::Lost);
    let (connection, mut events) = server.client().connect(ConnectOptions::default());
    timeout(SOON, connection.live()).await.unwrap().unwrap();
    assert!(matches!(next(&mut events).await, Event::ChatLoaded(_)));
    server.account.lock().unloadable.insert(joined.to_string());
    server.append(joined, Live::Lost);
    let change = Change::ChatJoined(ChatJoined { chat_id: joined.to_string() });
    let update = server.account.lock().append(&own.to_string(), Some(change));
    server.broadcast(server_frame::Frame::Update(update));
    expect_update(&mut events, own, 2).await;
    let path = format!("/chats/{joined}");
    server.called_again(&path, 0).await;
    // Of a page of it something is missing, so it is synced.
    server.append(joined, Live::Lost);
    server.account.lock().failing.insert(joined.to_string());
    server.broadcast(server_frame::Frame::Resync(ResyncFrame::default()));
    server.called_again(&format!("{path}/sync"), 0).await;
    server.account.lock().failing.clear();
    let failed = server.call_count(&path);
    server.called_again(&path, failed).await;
    server.account.lock().unloadable.clear();
    loop {
        match next(&mut events).await {
            Event::ChatLoaded(chat) if chat.id == joined.to_string() => break,
            Event::Update(update) => assert_eq!(update.chat_id, joined.to_string()),
            other => panic!("{other:?}"),
        }
    }
    timeout(SOON, connection.live()).await.unwrap().unwrap();
    server.append(joined, Live::Once);
    expect_update(&mut events, joined, 3).await;
}

#[tokio::test]
async fn who_comes_to_a_group_begins_with_a_snapshot_of_it() {
    let server = Server::start().await;
    let group = chat_id();
    server.append(group, Live::Lost);
    let (connection, mut events) = server.client().connect(ConnectOptions::default());
    timeout(SOON, connection.live()).await.unwrap().unwrap();
    assert!(matches!(next(&mut events).await, Event::ChatLoaded(_)));
    let added = |user_id: &str| {
        let member = Member { user_id: user_id.to_owned(), ..Member::default() };
        Change::MembersAdded(MembersAdded { members: vec![member], ..MembersAdded::default() })
    };
    for user_id in ["somebody else", "u"] {
        let update = server.account.lock().append(&group.to_string(), Some(added(user_id)));
        server.broadcast(server_frame::Frame::Update(update));
    }
    for seq in [2, 3] {
        expect_update(&mut events, group, seq).await;
    }
    assert!(matches!(next(&mut events).await, Event::ChatLoaded(chat) if chat.seq == 3));
}

#[tokio::test]
async fn what_came_or_went_when_the_application_ended_is_loaded_when_it_begins() {
    let server = Server::start().await;
    let (own, joined, left) = (chat_id(), chat_id(), chat_id());
    for chat in [own, joined] {
        server.append(chat, Live::Lost);
    }
    let (connection, mut events) = server.client().connect(ConnectOptions::default());
    timeout(SOON, connection.live()).await.unwrap().unwrap();
    for _ in 0..2 {
        assert!(matches!(next(&mut events).await, Event::ChatLoaded(_)));
    }
    for (change, chat) in [
        (Change::ChatJoined(ChatJoined { chat_id: joined.to_string() }), joined),
        (Change::ChatLeft(ChatLeft { chat_id: left.to_string(), ..ChatLeft::default() }), left),
    ] {
        let update = server.account.lock().append(&own.to_string(), Some(change));
        server.broadcast(server_frame::Frame::Update(update));
        let Event::Update(_) = next(&mut events).await else { panic!("not told") };
        assert!(events.snapshot().to_load.contains(&chat.to_string()));
        if chat == joined {
            assert!(matches!(next(&mut events).await, Event::ChatLoaded(loaded) if loaded.id == chat.to_string()));
            assert!(events.snapshot().to_load.is_empty());
        }
    }
    // It ends before it is told what became of the other.
    let snapshot = events.snapshot();
    drop((connection, events));
    let options = ConnectOptions { snapshot: Some(snapshot), ..ConnectOptions::default() };
    let (_connection, mut events) = server.client().connect(options);
    assert_eq!(next(&mut events).await, Event::ChatGone(left));
    assert!(events.snapshot().to_load.is_empty());
}

#[tokio::test]
async fn a_chat_that_is_gone_is_told() {
    let server = Server::start().await;
    let chat = chat_id();
    server.append(chat, Live::Lost);
    let (connection, mut events) = server.client().connect(ConnectOptions::default());
    timeout(SOON, connection.live()).await.unwrap().unwrap();
    let Event::ChatLoaded(_) = next(&mut events).await else { panic!() };
    server.append(chat, Live::Lost);
    server.append(chat, Live::Once);
    server.account.lock().chats.clear();
    assert_eq!(next(&mut events).await, Event::ChatGone(chat));
}

#[tokio::test]
async fn what_no_log_holds_is_told_after_every_connect() {
    let server = Server::start().await;
    let chat = chat_id();
    server.append(chat, Live::Lost);
    let draft = Draft { chat_id: chat.to_string(), text: "what I".to_owned(), ..Draft::default() };
    let state = UnloggedState { drafts: vec![draft], calls: Vec::new() };
    server.account.lock().state = Some(state.clone());
    let (connection, mut events) = server.client().connect(ConnectOptions::default());
    assert!(matches!(next(&mut events).await, Event::ChatLoaded(_)));
    assert_eq!(next(&mut events).await, Event::State(Box::new(state)));
    timeout(SOON, connection.live()).await.unwrap().unwrap();
    server.account.lock().state = Some(UnloggedState::default());
    server.break_off();
    assert_eq!(next(&mut events).await, Event::State(Box::default()));
    // Some of it may have been among what was lost.
    server.broadcast(server_frame::Frame::Resync(ResyncFrame::default()));
    assert_eq!(next(&mut events).await, Event::State(Box::default()));
}
