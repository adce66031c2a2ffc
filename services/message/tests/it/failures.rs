//! Connections that break at any moment, the commit included.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use diesel_async::{AsyncConnection as _, AsyncPgConnection, SimpleAsyncConnection as _};
use futures_util::future::join_all;
use godwit_kernel::{ChatId, SystemClock, SystemEntropy};
use godwit_pg::{Pool, PoolOptions};
use godwit_runtime::Tasks;
use tonic::Code;

use crate::harness::{Bed, reason, seqs, texts, user};

#[tokio::test(flavor = "multi_thread")]
async fn broken_connections_lose_and_double_nothing() {
    const SENDERS: usize = 8;
    const EACH: usize = 60;
    let bed = Bed::new().await;
    let replicas = [bed.replica(), bed.replica()];
    let members: Vec<_> = (0..SENDERS).map(|_| user()).collect();
    let chat_id = bed.chat(&replicas[0], &members).await;

    let is_done = Arc::new(AtomicBool::new(false));
    let mut admin = AsyncPgConnection::establish(bed.db.url()).await.unwrap();
    let killer = async {
        let mut killings = 0;
        while !is_done.load(Ordering::Relaxed) {
            let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                WHERE datname = current_database() AND usename = 'godwit_message' AND random() < 0.5";
            admin.batch_execute(kill).await.unwrap();
            killings += 1;
            tokio::time::sleep(Duration::from_millis(15)).await;
        }
        killings
    };
    let senders = members.iter().enumerate().map(|(number, member)| {
        let client = replicas[number % 2].client(*member);
        async move {
            for name in 0..EACH {
                client.send_until_acked(chat_id, &name.to_string(), &format!("{number} {name}")).await;
            }
        }
    });
    let sending = async {
        join_all(senders).await;
        is_done.store(true, Ordering::Relaxed);
    };
    let (killings, ()) = tokio::join!(killer, sending);
    assert!(killings > 3, "{killings}");

    bed.drained().await;
    let log = replicas[0].client(members[0]).whole_log(chat_id, 1_000).await;
    assert_eq!(seqs(&log), (1..=(SENDERS * EACH + 1) as u64).collect::<Vec<u64>>());
    let mut said = texts(&log);
    said.sort();
    said.dedup();
    assert_eq!(said.len(), SENDERS * EACH, "every message once");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_database_sends_fail_at_once_as_unavailable() {
    let bed = Bed::new().await;
    // Nobody listens at the discard port.
    let options = PoolOptions { wait_timeout: Duration::from_secs(2), ..PoolOptions::default() };
    let nowhere = Pool::connect("postgres://godwit_message@127.0.0.1:9/none", options).unwrap();
    let replica = bed.replica_on(nowhere, Tasks::new());
    let (ada, bob) = (user(), user());
    let chat_id = ChatId::generate(&SystemClock, &SystemEntropy);
    bed.chats.put(chat_id, &[ada, bob], 1);
    let refused = replica.client(ada).send(chat_id, "m", "hi").await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::Unavailable, "DATABASE_UNAVAILABLE"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_stops_answers_everything_it_took() {
    let bed = Bed::new().await;
    let tasks = Tasks::new();
    let stopping = bed.replica_on(bed.db.pool(&godwit_message::store::SCHEMA), tasks.clone());
    let other = bed.replica();
    let (ada, bob) = (user(), user());
    let chat_id = bed.chat(&other, &[ada, bob]).await;
    let client = stopping.client(ada);
    client.send(chat_id, "first", "first").await.unwrap();

    let names: Vec<String> = (0..100).map(|number| number.to_string()).collect();
    let sends = join_all(names.iter().map(|name| client.send(chat_id, name, name)));
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    let stop = async {
        tokio::task::yield_now().await;
        tasks.stop(godwit_runtime::Stage::Work, deadline).await
    };
    let (answers, late) = tokio::join!(sends, stop);
    assert!(late.is_empty(), "{late:?}");
    let acked: Vec<String> = answers.iter().flatten().map(|message| message.text.clone()).collect();
    for refused in answers.iter().filter_map(|answer| answer.as_ref().err()) {
        assert_eq!(reason(refused), "STOPPING");
    }
    let mut logged = texts(&other.client(bob).whole_log(chat_id, 1_000).await);
    for text in acked {
        let index = logged.iter().position(|logged| *logged == text).unwrap();
        logged.remove(index);
    }
    assert_eq!(logged, ["first"], "what is not acknowledged here is not committed either");
    // What it committed was published by itself or is by the sweeper of the other.
    bed.drained().await;
    assert_eq!(
        client.send(chat_id, "later", "later").await.map_err(|status| reason(&status)),
        Err("STOPPING".to_owned())
    );
}
