use std::time::Duration;

use godwit_testkit::{Mailbox, env, eventually};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::harness::{Cluster, Harness, PASSWORD, Person, device};

#[tokio::test(flavor = "multi_thread")]
async fn a_development_folder_takes_the_mails() {
    let mut cluster = Cluster::new().await;
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("made/when/needed");
    cluster.mailbox = Mailbox::in_dir(&folder);
    let replica = cluster.start(&[&format!("--auth-mail-dir={}", folder.display())]).await.unwrap();
    let harness = Harness { cluster, replica };
    let person = harness.account().await;
    harness.login(&person.email, PASSWORD, &device()).await.unwrap();
    let files = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    assert!(files.into_iter().all(|path| path.extension().unwrap() == "json"), "nothing unfinished is left");
}

/// Lets connections through to the mail server, or refuses them as a server does that is overloaded.
async fn unreliable_relay(refusals: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let task = async move {
        let mut refused = 0;
        while let Ok((mut client, _)) = listener.accept().await {
            if refused < refusals {
                refused += 1;
                client.write_all(b"421 4.3.2 come back later\r\n").await.ok();
                client.shutdown().await.ok();
                let mut rest = Vec::new();
                client.read_to_end(&mut rest).await.ok();
                continue;
            }
            let mut server = tokio::net::TcpStream::connect(env::smtp()).await.unwrap();
            tokio::io::copy_bidirectional(&mut client, &mut server).await.ok();
        }
        Ok(())
    };
    godwit_runtime::Tasks::new().spawn("test.relay", |_| task);
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_server_that_is_down_delays_but_loses_no_mail() {
    let cluster = Cluster::new().await;
    let relay = unreliable_relay(3).await;
    let replica = cluster.start(&[&format!("--auth-smtp-url=smtp://{relay}")]).await.unwrap();
    let harness = Harness { cluster, replica };
    let person = Person::new();
    harness.register(&person).await.unwrap();
    eventually(Duration::from_secs(60), || async {
        harness.advance(Duration::from_secs(1));
        harness.cluster.mailbox.mails(&person.email).len() == 1
    })
    .await;
    // The code is as old as the mail that brought it, not as the registration.
    let code = harness.cluster.mailbox.code(&person.email).await;
    harness.verify(&person.email, &code).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_waits_survives_the_process() {
    let cluster = Cluster::new().await;
    let relay = unreliable_relay(usize::MAX).await;
    let replica = cluster.start(&[&format!("--auth-smtp-url=smtp://{relay}")]).await.unwrap();
    let harness = Harness { cluster, replica };
    let person = Person::new();
    harness.register(&person).await.unwrap();
    harness.replica.stop().await;
    let replica = harness.cluster.start(&[&format!("--auth-smtp-url=smtp://{}", env::smtp())]).await.unwrap();
    let harness = Harness { cluster: harness.cluster, replica };
    harness.advance(Duration::from_secs(180));
    let code = harness.cluster.mailbox.code(&person.email).await;
    harness.verify(&person.email, &code).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_share_a_queue_send_each_mail_once() {
    let harness = Harness::new().await;
    let smtp = format!("--auth-smtp-url=smtp://{}", env::smtp());
    let _second = harness.cluster.start(&[&smtp]).await.unwrap();
    let people: Vec<Person> = (0..12).map(|_| Person::new()).collect();
    for result in futures_util::future::join_all(people.iter().map(|person| harness.register(person))).await {
        result.unwrap();
    }
    for person in &people {
        let code = harness.cluster.mailbox.code(&person.email).await;
        harness.verify(&person.email, &code).await.unwrap();
    }
    for person in &people {
        assert_eq!(harness.cluster.mailbox.mails(&person.email).len(), 1);
    }
}
