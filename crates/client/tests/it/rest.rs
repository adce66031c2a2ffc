use godwit_client::{Client, Error, Options};

use crate::server::{Live, Server, chat_id};

#[tokio::test]
async fn a_refusal_carries_what_the_server_said() {
    let server = Server::start().await;
    let error = server.client().get_chat(chat_id()).await.unwrap_err();
    assert_eq!((error.status(), error.reason(), error.is_temporary()), (Some(404), Some("CHAT_NOT_FOUND"), false));
    let Error::Refused(problem) = error else { panic!() };
    assert_eq!((problem.detail.as_str(), problem.request_id.as_str()), ("no", "r"));
    assert_eq!(problem.to_string(), "404 CHAT_NOT_FOUND: no");
}

#[tokio::test]
async fn a_call_answers_with_the_contracts_message() {
    let server = Server::start().await;
    let chat = chat_id();
    server.append(chat, Live::Lost);
    let answer = server.client().get_chat(chat).await.unwrap();
    assert_eq!(answer.chat.unwrap().seq, 1);
}

#[tokio::test]
async fn an_unreachable_server_is_told_apart() {
    let server = Server::start().await;
    let client = server.client();
    server.stop();
    let error = client.get_chat(chat_id()).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable(_)), "{error:?}");
    assert!(error.is_temporary());
}

#[test]
fn only_http_addresses_are_taken() {
    for url in ["ftp://x", "data:x", "ws://x"] {
        assert!(matches!(Client::new(Options::new(url.parse().unwrap())), Err(Error::InvalidUrl)), "{url}");
    }
}
