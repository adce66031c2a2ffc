use actix_web::http::StatusCode;
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpResponse, HttpResponseBuilder};
use serde_json::json;

use crate::edge::Edge;

/// `/health/live` and `/health/ready`. What exactly is wrong is told on the admin port only.
pub fn configure(app: &mut ServiceConfig) {
    app.service(super::page("/health/live").route(web::get().to(live)));
    app.service(super::page("/health/ready").route(web::get().to(ready)));
}

async fn live() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "status": "live" }))
}

async fn ready(edge: Data<Edge>) -> HttpResponse {
    let (code, status) = match edge.health.is_ready().await {
        true => (StatusCode::OK, "ready"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "not ready"),
    };
    HttpResponseBuilder::new(code).json(json!({ "status": status }))
}
