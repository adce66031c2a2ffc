//! A web of hostile servers on this machine: for these tests 127.0.0.1 is the public internet, and 127.0.0.2 is inside.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use url::Url;

use crate::{ClientOptions, FetchError, Fetcher, Gate, Limits, LookupError, Page, Reach, client};

const PUBLIC: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const INSIDE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
const BODY_MAX: usize = 10_000;
const LIMITS: Limits = Limits { timeout: Duration::from_secs(10), body_bytes_max: BODY_MAX, redirects_max: 3 };

/// A server that says the same to everybody.
struct Server {
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
    _serving: JoinSet<()>,
}

/// What follows the head of an answer.
#[derive(Clone, Copy)]
enum After {
    Close,
    Silence,
    Endless,
}

impl Server {
    async fn saying(ip: IpAddr, head: impl Into<String>, after: After) -> Self {
        let listener = TcpListener::bind((ip, 0)).await.unwrap();
        let (address, asked, head) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)), head.into());
        let (count, mut serving) = (Arc::clone(&asked), JoinSet::new());
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                count.fetch_add(1, Ordering::SeqCst);
                connections.spawn(answer(stream, head.clone(), after));
            }
        });
        Self { address, asked, _serving: serving }
    }

    async fn page(ip: IpAddr, body: &str) -> Self {
        Self::saying(
            ip,
            format!("HTTP/1.1 200 OK\r\ncontent-type: text/html; charset=utf-8\r\n\r\n{body}"),
            After::Close,
        )
        .await
    }

    async fn redirecting(ip: IpAddr, to: &str) -> Self {
        Self::saying(ip, format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n"), After::Close)
            .await
    }

    fn url(&self) -> Url {
        self.url_as(&self.address.ip().to_string())
    }

    fn url_as(&self, host: &str) -> Url {
        format!("http://{host}:{}/page", self.address.port()).parse().unwrap()
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

async fn answer(mut stream: TcpStream, head: String, after: After) {
    let mut request = [0; 4_096];
    if stream.read(&mut request).await.is_err() || stream.write_all(head.as_bytes()).await.is_err() {
        return;
    }
    match after {
        After::Close => {}
        After::Silence => std::future::pending().await,
        After::Endless => while stream.write_all(&[b'x'; 4_096]).await.is_ok() {},
    }
}

fn fetcher(limits: Limits) -> Fetcher {
    rustls::crypto::ring::default_provider().install_default().ok();
    let gate = Gate::of_test([
        ("outside.example", vec![PUBLIC]),
        ("inside.example", vec![INSIDE]),
        ("both.example", vec![PUBLIC, INSIDE]),
        ("mapped.example", vec!["::ffff:127.0.0.2".parse().unwrap()]),
        ("localhost", vec![PUBLIC]),
    ]);
    Fetcher::new(gate, limits, "godwit-test").unwrap()
}

async fn get(url: &Url) -> Result<Page, FetchError> {
    fetcher(LIMITS).get(url, "text/html").await
}

#[tokio::test]
async fn a_page_of_the_internet_is_read() {
    let server = Server::page(PUBLIC, "<title>Hello</title>").await;
    for url in [server.url(), server.url_as("outside.example")] {
        let page = get(&url).await.unwrap();
        assert_eq!((page.url, &page.body[..]), (url, &b"<title>Hello</title>"[..]));
        assert_eq!(page.content_type, "text/html; charset=utf-8");
    }
}

#[tokio::test]
async fn names_that_lead_inside_are_not_connected_to() {
    let server = Server::page(INSIDE, "secret").await;
    for host in ["127.0.0.2", "inside.example", "both.example", "mapped.example", "[::ffff:127.0.0.2]", "0x7f000002"] {
        assert_eq!(get(&server.url_as(host)).await.unwrap_err(), FetchError::NotAllowed, "{host}");
    }
    for host in ["localhost", "LOCALHOST.", "a.localhost"] {
        assert_eq!(get(&server.url_as(host)).await.unwrap_err(), FetchError::NotAllowed, "{host}");
    }
    assert_eq!(get(&server.url_as("unknown.example")).await.unwrap_err(), FetchError::Unreachable);
    assert_eq!(server.asked(), 0, "nothing was sent inside");
}

#[tokio::test]
async fn no_redirect_leads_inside() {
    let inside = Server::page(INSIDE, "secret").await;
    for to in [inside.url(), inside.url_as("inside.example"), inside.url_as("both.example")] {
        let outside = Server::redirecting(PUBLIC, to.as_str()).await;
        assert_eq!(get(&outside.url()).await.unwrap_err(), FetchError::NotAllowed);
        assert_eq!(outside.asked(), 1);
    }
    for to in ["file:///etc/passwd", "gopher://127.0.0.1/", "http://user:pass@outside.example/", "data:text/html,x"] {
        let outside = Server::redirecting(PUBLIC, to).await;
        assert_eq!(get(&outside.url()).await.unwrap_err(), FetchError::NotAllowed, "{to}");
    }
    assert_eq!(inside.asked(), 0, "nothing was sent inside");
}

#[tokio::test]
async fn redirects_are_followed_to_a_page_and_not_for_ever() {
    let page = Server::page(PUBLIC, "here").await;
    let (mut next, mut hops) = (page.url_as("outside.example"), Vec::new());
    for redirects in 1..=4 {
        let hop = Server::redirecting(PUBLIC, next.as_str()).await;
        let found = get(&hop.url()).await;
        if redirects <= LIMITS.redirects_max {
            assert_eq!(found.unwrap().url, page.url_as("outside.example"));
        } else {
            assert_eq!(found.unwrap_err(), FetchError::Redirects);
        }
        next = hop.url();
        hops.push(hop);
    }
    let circle = Server::redirecting(PUBLIC, "/page").await;
    assert_eq!(get(&circle.url()).await.unwrap_err(), FetchError::Redirects);
    assert_eq!(circle.asked(), LIMITS.redirects_max + 1);
    let nowhere = Server::saying(PUBLIC, "HTTP/1.1 302 Found\r\ncontent-length: 0\r\n\r\n", After::Close).await;
    assert_eq!(get(&nowhere.url()).await.unwrap_err(), FetchError::Redirects);
}

#[tokio::test]
async fn an_endless_body_is_read_up_to_the_limit() {
    for head in [
        "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 99999999999\r\n\r\n",
    ] {
        let server = Server::saying(PUBLIC, head, After::Endless).await;
        assert_eq!(get(&server.url()).await.unwrap().body.len(), BODY_MAX);
    }
    let server = Server::saying(PUBLIC, "HTTP/1.1 200 OK\r\nx: ", After::Endless).await;
    assert_eq!(get(&server.url()).await.unwrap_err(), FetchError::Unreachable, "nor are headers read without end");
}

#[tokio::test]
async fn a_slow_server_is_left_when_the_time_is_over() {
    let limits = Limits { timeout: Duration::from_millis(300), ..LIMITS };
    for head in ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 9\r\n\r\nab"]
    {
        let server = Server::saying(PUBLIC, head, After::Silence).await;
        let begin = Instant::now();
        assert_eq!(fetcher(limits).get(&server.url(), "text/html").await.unwrap_err(), FetchError::TimedOut, "{head}");
        assert!(begin.elapsed() < LIMITS.timeout);
    }
}

#[tokio::test]
async fn only_what_was_asked_for_is_read() {
    for head in [
        "HTTP/1.1 200 OK\r\ncontent-type: image/png\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-type: text/htmlx\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-encoding: gzip\r\n\r\n",
    ] {
        let server = Server::saying(PUBLIC, head, After::Endless).await;
        assert_eq!(get(&server.url()).await.unwrap_err(), FetchError::OtherType, "{head}");
    }
    let server = Server::saying(PUBLIC, "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", After::Close).await;
    assert_eq!(get(&server.url()).await.unwrap_err(), FetchError::Status(404));
    let nobody = TcpListener::bind((PUBLIC, 0)).await.unwrap().local_addr().unwrap();
    assert_eq!(get(&format!("http://{nobody}/").parse().unwrap()).await.unwrap_err(), FetchError::Unreachable);
}

#[tokio::test]
async fn a_client_itself_follows_no_redirect_and_asks_the_gate_for_every_name() {
    let inside = Server::page(INSIDE, "secret").await;
    let outside = Server::redirecting(PUBLIC, inside.url().as_str()).await;
    rustls::crypto::ring::default_provider().install_default().ok();
    let gate = Gate::of_test([("outside.example", vec![PUBLIC]), ("inside.example", vec![INSIDE])]);
    let (timeout, connect_timeout) = (LIMITS.timeout, LIMITS.timeout);
    let options = ClientOptions { timeout, connect_timeout, user_agent: "godwit-test", idle_per_host_max: 1 };
    let http = client(&gate, options).unwrap();
    assert_eq!(http.get(outside.url_as("outside.example")).send().await.unwrap().status(), 302);
    http.get(inside.url_as("inside.example")).send().await.unwrap_err();
    assert_eq!(inside.asked(), 0);
}

#[tokio::test]
async fn a_name_of_this_machine_is_within_reach_only_in_development() {
    assert!(matches!(Gate::new(Reach::PublicOnly).look_up("localhost").await, Err(LookupError::Private)));
    assert!(Gate::new(Reach::Anywhere).look_up("localhost").await.is_ok());
    for text in ["http://127.0.0.1/", "http://[::1]/", "http://localhost/", "http://169.254.169.254/latest/meta-data"] {
        let url = text.parse().unwrap();
        assert!(!Gate::new(Reach::PublicOnly).admits_host(&url), "{text}");
        assert!(Gate::new(Reach::Anywhere).admits_host(&url), "{text}");
    }
    assert!(Gate::new(Reach::PublicOnly).admits_host(&"http://1.1.1.1/".parse().unwrap()));
}
