use godwit_client::{ConnectOptions, Error, Event};
use tokio::time::timeout;

use crate::server::{Fate, SOON, Server, chat_id};

#[tokio::test]
async fn a_message_whose_ack_was_lost_is_sent_again_and_stands_once() {
    let server = Server::start().await;
    let chat = chat_id();
    server.fates.lock().push_back(Fate::LoseAck);
    let (connection, _events) = server.client().connect(ConnectOptions::default());
    let first = connection.send(chat, "first").unwrap();
    let second = connection.send(chat, "second").unwrap();
    let id = first.client_message_id.clone();
    let message = timeout(SOON, first.outcome()).await.unwrap().unwrap();
    assert_eq!((message.seq, message.client_message_id), (1, id.clone()));
    assert_eq!(timeout(SOON, second.outcome()).await.unwrap().unwrap().seq, 2);
    assert_eq!(server.account.lock().texts(&chat.to_string()), ["first", "second"]);
    assert_eq!(server.arrived.lock().iter().filter(|arrived| **arrived == id).count(), 2);
    assert_eq!(connection.pending_count(), 0);
}

#[tokio::test]
async fn what_is_queued_without_a_server_is_sent_when_it_is_back() {
    let server = Server::start().await;
    let chat = chat_id();
    let (connection, _events) = server.client().connect(ConnectOptions::default());
    timeout(SOON, connection.live()).await.unwrap().unwrap();
    server.stop();
    let sends: Vec<_> = (0..5).map(|number| connection.send(chat, number.to_string()).unwrap()).collect();
    server.start_again().await;
    for (number, send) in (1..).zip(sends) {
        assert_eq!(timeout(SOON, send.outcome()).await.unwrap().unwrap().seq, number);
    }
    assert_eq!(server.account.lock().texts(&chat.to_string()), ["0", "1", "2", "3", "4"]);
}

#[tokio::test]
async fn what_was_queued_survives_a_restart() {
    let server = Server::start().await;
    let chat = chat_id();
    server.stop();
    let (connection, events) = server.client().connect(ConnectOptions::default());
    let send = connection.send_as(chat, "kept-1", "kept").unwrap();
    connection.close().await;
    assert!(matches!(send.outcome().await, Err(Error::Closed)));
    assert!(matches!(connection.send(chat, "late"), Err(Error::Closed)));
    let snapshot = events.snapshot();
    assert_eq!(snapshot.pending.len(), 1);

    server.start_again().await;
    let options = ConnectOptions { snapshot: Some(snapshot), ..ConnectOptions::default() };
    let (connection, mut events) = server.client().connect(options);
    // By its update, or by the chat as it then is: the message and the loading of the account race.
    assert!(matches!(timeout(SOON, events.next()).await.unwrap(), Some(Event::Update(_) | Event::ChatLoaded(_))));
    timeout(SOON, connection.flushed()).await.unwrap().unwrap();
    assert_eq!(*server.arrived.lock(), ["kept-1"]);
}

#[tokio::test]
async fn a_busy_server_is_asked_again_and_a_refusal_for_good_is_told() {
    let server = Server::start().await;
    let chat = chat_id();
    server.fates.lock().extend([Fate::Refuse(429), Fate::Refuse(503), Fate::Refuse(404)]);
    let (connection, mut events) = server.client().connect(ConnectOptions::default());
    let refused = connection.send(chat, "refused").unwrap();
    let sent = connection.send(chat, "sent").unwrap();
    let error = timeout(SOON, refused.outcome()).await.unwrap().unwrap_err();
    assert_eq!((error.status(), error.reason()), (Some(404), Some("NO")));
    assert_eq!(timeout(SOON, sent.outcome()).await.unwrap().unwrap().seq, 1);
    assert_eq!(server.arrived.lock().len(), 4);
    let Some(Event::SendRefused { send, problem }) = timeout(SOON, events.next()).await.unwrap() else { panic!() };
    assert_eq!((send.text.as_str(), problem.status), ("refused", 404));
}

#[tokio::test]
async fn a_full_queue_refuses_more() {
    let server = Server::start().await;
    server.stop();
    let options = ConnectOptions { pending_capacity: 2, ..ConnectOptions::default() };
    let (connection, _events) = server.client().connect(options);
    let chat = chat_id();
    let _kept = [connection.send(chat, "1").unwrap(), connection.send(chat, "2").unwrap()];
    assert!(matches!(connection.send(chat, "3"), Err(Error::QueueFull)));
    assert!(matches!(connection.send(chat, ""), Err(Error::InvalidMessage(_))));
}
