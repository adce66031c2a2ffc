//! Pages behind links, on servers of this machine.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use godwit_contract::v1 as pb;
use godwit_contract::v1::update::Change;
use godwit_kernel::ChatId;
use godwit_outbound::Reach;
use godwit_testkit::eventually;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::harness::{Bed, Client, PATIENCE, page_reader, user};

/// A web server that counts what it is asked for.
struct Web {
    url: String,
    asked: Arc<Mutex<BTreeMap<String, usize>>>,
    _serving: JoinSet<()>,
}

impl Web {
    async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (asked, mut serving) = (Arc::<Mutex<BTreeMap<String, usize>>>::default(), JoinSet::new());
        let counts = Arc::clone(&asked);
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                connections.spawn(answer(stream, Arc::clone(&counts)));
            }
        });
        Self { url, asked, _serving: serving }
    }

    fn asked(&self, path: &str) -> usize {
        self.asked.lock().unwrap().get(path).copied().unwrap_or_default()
    }
}

async fn answer(mut stream: TcpStream, asked: Arc<Mutex<BTreeMap<String, usize>>>) {
    let mut request = vec![0; 4_096];
    let read = stream.read(&mut request).await.unwrap_or(0);
    let request = String::from_utf8_lossy(&request[..read]).into_owned();
    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
    *asked.lock().unwrap().entry(path.clone()).or_default() += 1;
    if path == "/slow" {
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
    let page = match path.as_str() {
        "/empty" => "<html><body>nothing</body></html>".to_owned(),
        path => format!(
            "<head><title>Page {path}</title><meta property=og:description content='What it is'>\
             <meta property=og:site_name content=Example></head>"
        ),
    };
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/html; charset=utf-8\r\nconnection: close\r\n\r\n";
    stream.write_all(format!("{head}{page}").as_bytes()).await.ok();
}

fn preview(web: &Web, path: &str) -> pb::LinkPreview {
    pb::LinkPreview {
        url: format!("{}{path}", web.url),
        title: format!("Page {path}"),
        description: "What it is".to_owned(),
        site_name: "Example".to_owned(),
    }
}

/// The previews that a chat's log tells, by the message they are of.
async fn told(client: &Client, chat_id: ChatId) -> Vec<(String, pb::LinkPreview)> {
    let log = client.whole_log(chat_id, 1_000).await;
    let added = log.into_iter().filter_map(|update| match update.change? {
        Change::LinkPreviewAdded(added) => Some((added.message_id, added.link_preview?)),
        _ => None,
    });
    added.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_shows_what_is_behind_its_first_link_and_a_page_is_asked_once() {
    let bed = Bed::new().await;
    let replica = bed.replica_with_previews(Reach::Anywhere);
    let ada = user();
    let chat_id = bed.chat(&replica, &[ada, user()]).await;
    let (client, web) = (replica.client(ada), Web::open().await);
    let mut ids = Vec::new();
    for number in 0..5 {
        let text = format!("see {}/a, not {}/b", web.url, web.url);
        ids.push(client.send(chat_id, &number.to_string(), &text).await.unwrap().id);
    }
    client.send(chat_id, "empty", &format!("{}/empty", web.url)).await.unwrap();
    client.send(chat_id, "none", "no link").await.unwrap();
    let mut found = eventually(PATIENCE, async || {
        let found = told(&client, chat_id).await;
        if found.len() == 5 && web.asked("/empty") == 1 { Ok(found) } else { Err(format!("{found:?}")) }
    })
    .await;
    found.sort_by_key(|(id, _)| ids.iter().position(|other| other == id));
    let expected: Vec<(String, pb::LinkPreview)> = ids.iter().map(|id| (id.clone(), preview(&web, "/a"))).collect();
    assert_eq!(found, expected);
    assert_eq!(client.get(&ids[0]).await.unwrap().link_preview, Some(preview(&web, "/a")));
    assert_eq!((web.asked("/a"), web.asked("/b")), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_edited_or_deleted_meanwhile_gets_no_preview_of_what_it_was() {
    let bed = Bed::new().await;
    let replica = bed.replica_with_previews(Reach::Anywhere);
    let ada = user();
    let chat_id = bed.chat(&replica, &[ada, user()]).await;
    let (client, web) = (replica.client(ada), Web::open().await);
    let edited = client.send(chat_id, "edited", &format!("{}/slow", web.url)).await.unwrap();
    let deleted = client.send(chat_id, "deleted", &format!("{}/slow", web.url)).await.unwrap();
    eventually(PATIENCE, async || web.asked("/slow") > 0).await;
    client.edit(&edited.id, &format!("{}/b instead", web.url)).await.unwrap();
    client.delete(&deleted.id).await.unwrap();
    eventually(PATIENCE, async || {
        let found = told(&client, chat_id).await;
        if found.is_empty() { Err("no preview yet") } else { Ok(()) }
    })
    .await;
    // The slow page is known by now; a message that comes after it has it at once.
    let after = client.send(chat_id, "after", &format!("{}/slow", web.url)).await.unwrap();
    let found = eventually(PATIENCE, async || {
        let found = told(&client, chat_id).await;
        if found.iter().any(|(id, _)| *id == after.id) { Ok(found) } else { Err("no preview yet") }
    })
    .await;
    assert_eq!(found, [(edited.id.clone(), preview(&web, "/b")), (after.id, preview(&web, "/slow"))]);
    assert_eq!(client.get(&edited.id).await.unwrap().link_preview, Some(preview(&web, "/b")));
}

#[tokio::test(flavor = "multi_thread")]
async fn links_into_private_networks_are_not_followed() {
    let web = Web::open().await;
    let port = web.url.rsplit(':').next().unwrap();
    let reader = page_reader(Reach::PublicOnly);
    for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0x7f.1", "2130706433", "a.localhost."] {
        let link = format!("http://{host}:{port}/inside").parse().unwrap();
        assert_eq!(reader.read(&link).await, None, "{host}");
    }
    assert_eq!(web.asked("/inside"), 0);
}
