use std::time::Duration;

use futures_util::future::join_all;
use godwit_client::{ConnectOptions, ConnectionState, EndReason, Error};
use tokio::time::timeout;

use crate::server::{Live, SOON, Server, chat_id};

#[tokio::test]
async fn however_many_calls_are_refused_one_refresh_is_made() {
    let server = Server::start().await;
    let client = server.client();
    let mut changes = client.watch_session();
    changes.mark_unchanged();
    server.account.lock().tokens.clear();
    let request = godwit_contract::chat::v1::ListChatsRequest::default();
    for result in join_all((0..20).map(|_| client.list_chats(&request))).await {
        result.unwrap();
    }
    assert_eq!(server.account.lock().refresh_count, 1);
    assert!(changes.has_changed().unwrap());
    assert_eq!(client.session().unwrap().refresh_token, "refresh1");
}

#[tokio::test]
async fn a_refresh_is_not_lost_with_the_call_that_wanted_it() {
    let server = Server::start().await;
    let client = server.client();
    server.account.lock().tokens.clear();
    let mut changes = client.watch_session();
    changes.mark_unchanged();
    // Given up as soon as the refresh has begun.
    tokio::select! {
        biased;
        _ = client.renew_access_token("token0".to_owned()) => panic!("the call was faster than a turn of the loop"),
        () = tokio::task::yield_now() => {}
    }
    timeout(SOON, changes.changed()).await.unwrap().unwrap();
    assert_eq!(client.access_token().await.unwrap(), "token1");
    assert_eq!(server.account.lock().refresh_count, 1);
}

#[tokio::test]
async fn a_token_is_renewed_before_it_ends() {
    let server = Server::start().await;
    let client = server.client();
    let mut session = client.session().unwrap();
    session.access_token_expires_at -= Duration::from_secs(860);
    client.set_session(Some(session));
    assert_eq!(client.access_token().await.unwrap(), "token1");
}

#[tokio::test]
async fn a_connection_gets_the_new_token_before_the_old_one_ends() {
    let server = Server::start().await;
    *server.token_life_secs.lock() = 62;
    let (connection, _events) = server.client().connect(ConnectOptions::default());
    timeout(SOON, connection.live()).await.unwrap().unwrap();
    // The server's answer to the refresh frame sets a long life again.
    let renewed = async {
        while *server.token_life_secs.lock() != 900 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(SOON, renewed).await.unwrap();
    assert_eq!(connection.state(), ConnectionState::Live);
    assert_eq!(server.call_count("/ws/me"), 1);
}

#[tokio::test]
async fn a_connection_whose_token_is_refused_comes_back_with_another() {
    let server = Server::start().await;
    let chat = chat_id();
    let (connection, mut events) = server.client().connect(ConnectOptions::default());
    timeout(SOON, connection.live()).await.unwrap().unwrap();
    server.account.lock().tokens.clear();
    server.append(chat, Live::Lost);
    server.close(4401);
    timeout(SOON, events.next()).await.unwrap().unwrap();
    assert_eq!(server.account.lock().refresh_count, 1);
    assert_eq!(connection.state(), ConnectionState::Live);
}

#[tokio::test]
async fn a_session_that_is_over_ends_the_connection() {
    let server = Server::start().await;
    let client = server.client();
    let (connection, mut events) = client.connect(ConnectOptions::default());
    timeout(SOON, connection.live()).await.unwrap().unwrap();
    {
        let mut account = server.account.lock();
        account.tokens.clear();
        account.refresh_token.clear();
    }
    server.close(4401);
    assert_eq!(timeout(SOON, events.next()).await.unwrap(), None);
    assert_eq!(connection.state(), ConnectionState::Ended(EndReason::LoggedOut));
    assert_eq!(client.session(), None);
    assert!(matches!(client.access_token().await, Err(Error::LoggedOut)));
}

#[tokio::test]
async fn a_replaced_connection_does_not_come_back() {
    let server = Server::start().await;
    let (connection, mut events) = server.client().connect(ConnectOptions::default());
    timeout(SOON, connection.live()).await.unwrap().unwrap();
    server.close(4409);
    assert_eq!(timeout(SOON, events.next()).await.unwrap(), None);
    assert_eq!(connection.state(), ConnectionState::Ended(EndReason::Replaced));
}

#[tokio::test]
async fn a_dropped_connection_ends() {
    let server = Server::start().await;
    let (connection, mut events) = server.client().connect(ConnectOptions::default());
    timeout(SOON, connection.live()).await.unwrap().unwrap();
    let state = connection.watch_state();
    let clone = connection.clone();
    drop(connection);
    assert_eq!(*state.borrow(), ConnectionState::Live);
    drop(clone);
    assert_eq!(timeout(SOON, events.next()).await.unwrap(), None);
    assert_eq!(*state.borrow(), ConnectionState::Ended(EndReason::Closed));
}
