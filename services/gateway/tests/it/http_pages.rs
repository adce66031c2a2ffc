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
    }
    let preflight = stage.http.request(Method::OPTIONS, stage.url("/chats"));
    let preflight = preflight.header("origin", origin).header("access-control-request-method", "POST");
    let preflight = preflight.send().await.unwrap();
    assert_eq!(preflight.status(), 204);
    assert_eq!(preflight.headers().get("access-control-allow-origin").unwrap(), origin);
    let allowed = preflight.headers().get("access-control-allow-headers").unwrap().to_str().unwrap();
    assert!(allowed.contains("authorization"), "{allowed}");
}
