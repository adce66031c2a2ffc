use std::io::Write as _;
use std::process::{Command, Stdio};

use reqwest::Method;
use serde_json::Value;

use crate::stage::{Stage, somebody};

#[tokio::test]
async fn the_documentation_needs_no_other_server() {
    let stage = Stage::start().await;
    for page in ["/docs", "/redoc", "/v1/docs"] {
        let response = stage.http.get(stage.url(page)).send().await.unwrap();
        assert_eq!(response.status(), 200);
        let policy = response.headers().get("content-security-policy").unwrap().to_str().unwrap().to_owned();
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
        let html = response.text().await.unwrap();
        let files: Vec<_> = html.split('"').filter(|part| part.starts_with('/')).collect();
        assert!(files.len() >= 2 && !html.contains("//"), "{html}");
        for file in files {
            let response = stage.http.get(stage.url(file)).send().await.unwrap();
            assert_eq!(response.status(), 200, "{file}");
            assert!(!response.bytes().await.unwrap().is_empty());
        }
    }
    let document: Value = stage.http.get(stage.url("/openapi.json")).send().await.unwrap().json().await.unwrap();
    assert_eq!(document.get("openapi").unwrap(), "3.1.0");
}

#[tokio::test]
async fn the_protocol_of_sockets_is_documented_as_asyncapi_has_it() {
    let stage = Stage::start().await;
    let response = stage.http.get(stage.url("/asyncapi.json")).send().await.unwrap();
    assert_eq!(response.headers().get("content-type").unwrap(), "application/json");
    let document = response.bytes().await.unwrap();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/asyncapi");
    let mut validator = Command::new(godwit_testkit::env::python())
        .args([format!("{folder}/validate.py"), format!("{folder}/schema-3.0.0.json")])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    validator.stdin.take().unwrap().write_all(&document).unwrap();
    let told = validator.wait_with_output().unwrap();
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    let openapi = stage.http.get(stage.url("/openapi.json")).send().await.unwrap().text().await.unwrap();
    assert!(openapi.contains("](/asyncapi.json)"), "the pages link to it");
}

#[tokio::test]
async fn health_tells_whether_requests_may_come() {
    let stage = Stage::start().await;
    for (path, expected) in [("/health/live", 200), ("/v1/health/live", 200), ("/health/ready", 503)] {
        assert_eq!(stage.http.get(stage.url(path)).send().await.unwrap().status(), expected, "{path}");
    }
}

#[tokio::test]
async fn pages_of_other_sites_cannot_read_answers() {
    let stage = Stage::start().await;
    let get = stage.get("/chats", &somebody()).header("origin", "https://evil.example").send().await.unwrap();
    assert!(get.headers().get("access-control-allow-origin").is_none());
    let preflight = stage.http.request(Method::OPTIONS, stage.url("/chats"));
    let preflight = preflight.header("origin", "https://evil.example").header("access-control-request-method", "GET");
    let preflight = preflight.send().await.unwrap();
    assert_eq!(preflight.status(), 405);
    assert!(preflight.headers().get("access-control-allow-origin").is_none());
}

#[tokio::test]
async fn pages_of_configured_origins_can_read_answers_and_problems() {
    let stage = Stage::with(&["--gateway-origins=https://app.example,http://localhost:5173"]).await;
    let origin = "http://localhost:5173";
    for path in ["/chats", "/nowhere"] {
        let get = stage.get(path, &somebody()).header("origin", origin).send().await.unwrap();
        assert_eq!(get.headers().get("access-control-allow-origin").unwrap(), origin);
        assert_eq!(get.headers().get("vary").unwrap(), "origin");
        let readable = get.headers().get("access-control-expose-headers").unwrap().to_str().unwrap().to_owned();
        assert!(
            ["retry-after", "ratelimit", "ratelimit-policy"].iter().all(|name| readable.contains(name)),
            "{readable}"
        );
    }
    let preflight = stage.http.request(Method::OPTIONS, stage.url("/chats"));
    let preflight = preflight.header("origin", origin).header("access-control-request-method", "POST");
    let preflight = preflight.send().await.unwrap();
    assert_eq!(preflight.status(), 204);
    assert_eq!(preflight.headers().get("access-control-allow-origin").unwrap(), origin);
    let allowed = preflight.headers().get("access-control-allow-headers").unwrap().to_str().unwrap();
    assert!(allowed.contains("authorization"), "{allowed}");
}
