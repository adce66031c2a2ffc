//! HTTP: one handler for all of REST, and the few pages that are not REST.

mod answer;
mod body;
mod content;
mod cors;
mod docs;
mod health;
mod rest;
mod routes;
mod server;
mod upload;

use actix_web::Resource;
use actix_web::web::{self, Data, ServiceConfig};

use crate::edge::Edge;

pub use answer::{Answer, Problem};
pub use routes::Routes;
pub use server::{Listener, serve};
pub use upload::{FILES_MAX, FILES_OF_ONE_MAX};

/// All paths, at `/` and at `/v1`. What is not named here is REST.
fn configure(app: &mut ServiceConfig) {
    app.configure(pages);
    app.service(web::scope("/v1").configure(pages).default_service(web::to(rest::serve)));
}

/// A page that is only read: other methods get a problem document, as everywhere.
fn page(path: &str) -> Resource {
    web::resource(path).default_service(web::to(not_read))
}

async fn not_read(edge: Data<Edge>) -> Answer {
    let outcome = Err(Problem::method_not_allowed("GET".to_owned()));
    Answer { request_id: edge.request_id(), outcome, quota: None }
}

fn pages(app: &mut ServiceConfig) {
    app.configure(crate::ws::configure)
        .configure(health::configure)
        .configure(docs::configure)
        .configure(upload::configure);
}
