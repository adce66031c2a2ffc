use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, X_CONTENT_TYPE_OPTIONS};
use actix_web::middleware::Compress;
use actix_web::web::{self, ServiceConfig};

/// Nothing but our own files: no other server learns who reads the documentation.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
    font-src 'self' data:; connect-src 'self'; worker-src blob:; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";

struct File {
    path: &'static str,
    content_type: &'static str,
    content: &'static [u8],
}

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

const FILES: &[File] = &[
    File {
        path: "/asyncapi.json",
        content_type: "application/json",
        content: godwit_contract::ASYNCAPI_JSON.as_bytes(),
    },
    File { path: "/openapi.json", content_type: "application/json", content: godwit_contract::OPENAPI_JSON.as_bytes() },
    File { path: "/docs", content_type: HTML, content: include_bytes!("../../assets/swagger-ui/index.html") },
    File { path: "/docs/init.js", content_type: SCRIPT, content: include_bytes!("../../assets/swagger-ui/init.js") },
    File {
        path: "/docs/swagger-ui-bundle.js",
        content_type: SCRIPT,
        content: include_bytes!("../../assets/swagger-ui/swagger-ui-bundle.js"),
    },
    File {
        path: "/docs/swagger-ui.css",
        content_type: "text/css; charset=utf-8",
        content: include_bytes!("../../assets/swagger-ui/swagger-ui.css"),
    },
    File {
        path: "/docs/favicon-32x32.png",
        content_type: "image/png",
        content: include_bytes!("../../assets/swagger-ui/favicon-32x32.png"),
    },
    File { path: "/redoc", content_type: HTML, content: include_bytes!("../../assets/redoc/index.html") },
    File { path: "/redoc/init.js", content_type: SCRIPT, content: include_bytes!("../../assets/redoc/init.js") },
    File {
        path: "/redoc/redoc.standalone.js",
        content_type: SCRIPT,
        content: include_bytes!("../../assets/redoc/redoc.standalone.js"),
    },
];

/// The OpenAPI document with the two pages that show it, and the AsyncAPI document that it links to.
pub fn configure(app: &mut ServiceConfig) {
    for file in FILES {
        app.service(super::page(file.path).wrap(Compress::default()).route(web::get().to(move || show(file))));
    }
}

async fn show(file: &'static File) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(file.content_type)
        .insert_header((CACHE_CONTROL, "public, max-age=3600"))
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .body(file.content)
}
