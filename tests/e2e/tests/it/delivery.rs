//! What a send and a session promise.

use godwit_contract::auth::v1::RefreshResponse;
use godwit_contract::v1::server_frame::Frame;
use serde_json::json;

use crate::support::{Account, Encoding, Pair, Rest, Socket, embedded, separate};

#[tokio::test]
async fn a_resend_returns_the_first_result_and_reaches_nobody_twice() {
    let cluster = separate().await;
    let Pair { ada, bob, chat_id } = Pair::create(cluster).await;
    let mut bobs = bob.connect(Encoding::Json).await;
    let mut adas = ada.connect(Encoding::Binary).await;

    let first = ada.send(&chat_id, "once", "Only once").await;
    assert_eq!(ada.send(&chat_id, "once", "Only once").await, first);
    adas.send_message("again", &chat_id, "once", "Only once").await;
    let Frame::Ack(ack) = adas.answer("again").await else { panic!("the resend was not acknowledged") };
    assert_eq!(ack.message.as_ref(), Some(&first));
    let next = ada.send(&chat_id, "next", "Another").await;

    assert_eq!(next.seq, first.seq + 1);
    assert_eq!(bobs.message(&chat_id).await, first);
    assert_eq!(bobs.message(&chat_id).await, next);
}

#[tokio::test]
async fn many_resends_at_once_make_one_message() {
    let Pair { ada, chat_id, .. } = Pair::create(separate().await).await;
    let sends = (0..12).map(|_| ada.send(&chat_id, "raced", "Once, please"));
    let answers = futures_util::future::join_all(sends).await;
    assert!(answers.iter().all(|message| *message == answers[0]), "{answers:?}");
}

#[tokio::test]
async fn a_client_message_id_cannot_be_used_for_another_text() {
    let Pair { ada, chat_id, .. } = Pair::create(embedded().await).await;
    let first = ada.send(&chat_id, "taken", "One text").await;

    let refused = ada.try_send(&chat_id, "taken", "Another text").await;
    assert_eq!(refused.problem(409), "CLIENT_MESSAGE_ID_REUSED");
    let mut adas = ada.connect(Encoding::Json).await;
    adas.send_message("1", &chat_id, "taken", "A third text").await;
    let Frame::Error(error) = adas.answer("1").await else { panic!("the frame was not refused") };
    assert_eq!((error.reason.as_str(), error.status), ("CLIENT_MESSAGE_ID_REUSED", 409));

    assert_eq!(ada.whole_log(&chat_id).await.last().unwrap().seq, first.seq);
}

#[tokio::test]
async fn one_client_message_id_may_be_used_by_each_sender() {
    let Pair { ada, bob, chat_id } = Pair::create(embedded().await).await;
    let (adas, bobs) = tokio::join!(ada.send(&chat_id, "same", "From Ada"), bob.send(&chat_id, "same", "From Bob"));
    assert_ne!(adas.seq, bobs.seq);
}

#[tokio::test]
async fn logging_out_closes_the_sockets_at_every_gateway_and_ends_the_token() {
    let cluster = separate().await;
    let Pair { ada, bob, chat_id } = Pair::create(cluster).await;
    let mut adas = ada.connect_at(cluster.gateway(), Encoding::Json).await;
    let mut adas_other = ada.connect_at(cluster.other_gateway(), Encoding::Binary).await;
    let mut bobs = bob.connect(Encoding::Json).await;

    ada.rest.post("/auth/logout", json!({})).await.ok::<serde_json::Value>();

    assert_eq!(adas.closed().await.code, Some(4401));
    assert_eq!(adas_other.closed().await.code, Some(4401));
    for gateway in [cluster.gateway(), cluster.other_gateway()] {
        ada.rest.at(gateway).get("/users/me").await.problem(401);
        let body = json!({"client_message_id": "late", "text": "From beyond"});
        ada.rest.at(gateway).post(&format!("/chats/{chat_id}/messages"), body).await.problem(401);
        assert_eq!(Socket::refused(gateway, "/ws/me", Some(&ada.access_token)).await, Some(4401));
    }
    let refresh = json!({"refresh_token": ada.refresh_token});
    Rest::open(cluster.gateway()).post("/auth/refresh", refresh).await.problem(401);

    // Only that session ended.
    let again = Account::log_in(cluster.gateway(), &ada.username, &ada.email).await;
    let message = again.send(&chat_id, "back", "Back again").await;
    assert_eq!(bobs.message(&chat_id).await, message);
}

#[tokio::test]
async fn a_refresh_whose_answer_was_lost_can_be_repeated_and_an_old_token_ends_the_session() {
    let cluster = embedded().await;
    let ada = Account::create(cluster, "ada").await;
    let mut adas = ada.connect(Encoding::Json).await;
    let rest = Rest::open(cluster.gateway());
    let refresh = |token: &str| rest.post("/auth/refresh", json!({"refresh_token": token}));
    let second = refresh(&ada.refresh_token).await.ok::<RefreshResponse>().tokens.unwrap();
    let repeated = refresh(&ada.refresh_token).await.ok::<RefreshResponse>().tokens.unwrap();
    assert_eq!(repeated.refresh_token, second.refresh_token);
    let third = refresh(&second.refresh_token).await.ok::<RefreshResponse>().tokens.unwrap();
    rest.with_token(&third.access_token).get("/users/me").await.ok::<serde_json::Value>();

    // Only a thief, or one who was stolen from, still has the first.
    refresh(&ada.refresh_token).await.problem(401);
    assert_eq!(adas.closed().await.code, Some(4401));
    rest.with_token(&third.access_token).get("/users/me").await.problem(401);
    refresh(&third.refresh_token).await.problem(401);
}
