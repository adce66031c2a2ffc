//! The object store and the mail server, stopped and killed while people upload files and register.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use godwit_contract::media::v1::{
    CompleteUploadResponse, CreateUploadResponse, FinishStreamResponse, GetMediaResponse, GetMediaUrlResponse,
    MediaState,
};
use godwit_testkit::{ClusterOptions, Mailbox, Shape, TestCluster, eventually, http_client};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::time::sleep;

use crate::support::{Account, Answer, OwnServers, Rest, query, try_send, upload_form};

const PAUSE: Duration = Duration::from_millis(50);
/// Starting a server again included.
const PROGRESS_TIMEOUT: Duration = Duration::from_secs(120);
/// What failed is tried again after pauses that grow with each failure.
const TRIED_AGAIN_WITHIN: Duration = Duration::from_secs(120);
const FILES_BETWEEN: usize = 6;
const MAILS_BETWEEN: usize = 6;

/// How far some work has come that goes on until it is over.
#[derive(Default)]
struct Work {
    done: AtomicUsize,
    is_over: AtomicBool,
}

impl Work {
    fn goes_on(&self) -> bool {
        !self.is_over.load(Ordering::Relaxed)
    }

    fn end(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }

    fn count(&self) {
        self.done.fetch_add(1, Ordering::Relaxed);
    }

    /// Waits until so much more is done.
    async fn progress(&self, count: usize) {
        let goal = self.done.load(Ordering::Relaxed) + count;
        eventually(PROGRESS_TIMEOUT, || async { self.done.load(Ordering::Relaxed) >= goal }).await;
    }
}

/// Files whose upload was acknowledged, and what is in them.
#[derive(Default)]
struct Files {
    work: Work,
    acknowledged: Mutex<Vec<(String, String)>>,
}

impl Files {
    async fn note(&self, id: String, content: String) {
        self.acknowledged.lock().await.push((id, content));
        self.work.count();
    }

    /// Through the gateway, again and again; what is refused or breaks off is another file next time.
    async fn upload_by_form(&self, owner: &Account) {
        let mut number = 0;
        while self.work.goes_on() {
            number += 1;
            let content = format!("form {number} of {}\n", owner.username).repeat(400);
            let request = upload_form(owner, &format!("{number}.txt"), "text/plain", content.as_bytes());
            match try_send(request).await {
                Some(answer) if !answer.is_temporary() => {
                    let media = answer.created::<FinishStreamResponse>().media.unwrap();
                    self.note(media.id, content).await;
                }
                _ => sleep(PAUSE).await,
            }
        }
    }

    /// Straight to the object store, again and again; each step until it is done.
    async fn upload_by_address(&self, owner: &Account) {
        let mut number = 0;
        while self.work.goes_on() {
            number += 1;
            let content = format!("address {number} of {}\n", owner.username).repeat(400);
            let announced = json!({
                "file_name": format!("{number}.txt"),
                "content_type": "text/plain",
                "size_bytes": content.len().to_string(),
            });
            let upload: CreateUploadResponse = insist(&owner.rest, "/media/uploads", announced).await.created();
            put(&upload, &content).await;
            let id = upload.media.unwrap().id;
            let path = format!("/media/uploads/{id}/complete");
            insist(&owner.rest, &path, json!({})).await.ok::<CompleteUploadResponse>();
            self.note(id, content).await;
        }
    }

    /// Each of them becomes ready and is what was sent, and no two are one.
    async fn assert_kept(self, owners: [&Account; 2]) {
        let acknowledged = self.acknowledged.into_inner();
        let ids: HashSet<&str> = acknowledged.iter().map(|(id, _)| id.as_str()).collect();
        assert_eq!(ids.len(), acknowledged.len(), "each upload is one of its own");
        for (id, content) in &acknowledged {
            let owner = owners.into_iter().find(|owner| content.contains(&owner.username)).unwrap();
            eventually(TRIED_AGAIN_WITHIN, || async {
                let media = owner.rest.get(&format!("/media/{id}")).await.ok::<GetMediaResponse>().media.unwrap();
                if media.state() == MediaState::Ready { Ok(()) } else { Err(media) }
            })
            .await;
            let url = owner.rest.get(&format!("/media/{id}/url")).await.ok::<GetMediaUrlResponse>().url;
            let fetched = http_client().get(url).send().await.unwrap().text().await.unwrap();
            assert_eq!(fetched, *content);
        }
    }
}

/// Asks until there is an answer that is not about the moment.
async fn insist(rest: &Rest, path: &str, body: Value) -> Answer {
    eventually(PROGRESS_TIMEOUT, || async {
        match rest.try_post(path, body.clone()).await {
            Some(answer) if !answer.is_temporary() => Ok(answer),
            answer => Err(format!("{answer:?}")),
        }
    })
    .await
}

/// Puts a file to its address. The address takes it once: 412 says that it did, although that was not heard.
async fn put(upload: &CreateUploadResponse, content: &str) {
    eventually(PROGRESS_TIMEOUT, || async {
        let mut request = http_client().request(Method::PUT, &upload.upload_url).body(content.to_owned());
        for (name, value) in &upload.upload_headers {
            request = request.header(name, value);
        }
        match request.send().await {
            Ok(answer) if answer.status().is_success() || answer.status() == 412 => Ok(()),
            answer => Err(format!("{answer:?}")),
        }
    })
    .await;
}

async fn stop_the_object_store(servers: &OwnServers, files: &Files, pair: [&Account; 2], chat_id: &str) {
    let [ada, bob] = pair;
    for is_killed in [false, true] {
        files.work.progress(FILES_BETWEEN).await;
        if is_killed {
            servers.kill("s3").await;
        } else {
            servers.stop("s3").await;
        }
        refused_clearly(bob).await;
        ada.send(chat_id, &format!("meanwhile-{is_killed}"), "Texts need no object store").await;
        servers.start_again("s3").await;
        files.work.progress(FILES_BETWEEN).await;
    }
    files.work.end();
}

/// Waits for the answer that says why a file cannot be taken.
async fn refused_clearly(owner: &Account) {
    eventually(PROGRESS_TIMEOUT, || async {
        let answer = try_send(upload_form(owner, "refused.txt", "text/plain", b"nobody takes it")).await;
        match answer {
            Some(answer) if answer.status == 503 && answer.problem(503) == "OBJECT_STORE_UNAVAILABLE" => Ok(()),
            answer => Err(format!("{answer:?}")),
        }
    })
    .await;
}

/// Registers people until it is over; their e-mail addresses.
async fn register(gateway: &str, work: &Work) -> Vec<String> {
    let mut addresses = Vec::new();
    while work.goes_on() {
        addresses.push(Account::register(gateway, "newcomer").await.1);
        work.count();
        sleep(PAUSE).await;
    }
    addresses
}

async fn stop_the_mail_server(servers: &OwnServers, work: &Work) {
    for is_killed in [false, true] {
        work.progress(MAILS_BETWEEN).await;
        if is_killed {
            servers.kill("smtp").await;
        } else {
            servers.stop("smtp").await;
        }
        work.progress(MAILS_BETWEEN).await;
        servers.start_again("smtp").await;
    }
    work.progress(MAILS_BETWEEN).await;
    work.end();
}

/// Everybody has the one mail with the code that lets them in.
async fn assert_mailed_once(cluster: &TestCluster, mailbox: &Mailbox, addresses: &[String]) {
    eventually(TRIED_AGAIN_WITHIN, async || {
        let waiting = query(cluster.database_url(), "SELECT count(*) FROM auth.mails");
        if waiting == "0" { Ok(()) } else { Err(format!("{waiting} mails wait")) }
    })
    .await;
    for email in addresses {
        let mails = mailbox.mails(email);
        let [mail] = mails.as_slice() else { panic!("{email} has {mails:?}") };
        let body = json!({"email": email, "code": mail.code().unwrap()});
        Rest::open(cluster.gateway()).post("/auth/verify-email", body).await.ok::<Value>();
    }
}

#[tokio::test]
async fn what_was_taken_is_kept_and_mailed_once_although_the_object_store_and_the_mail_server_stop_and_die() {
    let servers = OwnServers::start(&["s3", "smtp"]);
    let mut options = ClusterOptions::new(Shape::FullStack);
    for name in
        ["GODWIT_MEDIA_S3_URL", "GODWIT_MEDIA_S3_ACCESS_KEY", "GODWIT_MEDIA_S3_SECRET_KEY", "GODWIT_AUTH_SMTP_URL"]
    {
        options = options.variable(name, servers.setting(name));
    }
    let cluster = options.start().await;
    let mailbox = Mailbox::in_dir(servers.variable("GODWIT_TEST_SMTP_DIR"));
    let gateway = cluster.gateway();
    let (ada, bob) =
        tokio::join!(Account::create_at(gateway, &mailbox, "ada"), Account::create_at(gateway, &mailbox, "bob"));
    let chat_id = ada.chat_with(&bob).await.id;

    let (files, registering) = (Files::default(), Work::default());
    let owners = [&ada, &bob];
    let (_, _, (), addresses, ()) = tokio::join!(
        join_all(owners.map(|owner| files.upload_by_form(owner))),
        join_all(owners.map(|owner| files.upload_by_address(owner))),
        stop_the_object_store(&servers, &files, owners, &chat_id),
        register(gateway, &registering),
        stop_the_mail_server(&servers, &registering),
    );
    assert_mailed_once(&cluster, &mailbox, &addresses).await;
    files.assert_kept(owners).await;
}
