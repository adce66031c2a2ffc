use reqwest::{Method, RequestBuilder};

use super::Account;

const BOUNDARY: &str = "xxBOUNDARYxx";

/// What stands before the bytes of a file in a form, and what after them.
pub fn form_around(file_name: &str, content_type: &str) -> (String, String) {
    let head = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{file_name}\"\r\n\
         Content-Type: {content_type}\r\n\r\n"
    );
    (head, format!("\r\n--{BOUNDARY}--\r\n"))
}

/// `POST /media/upload`, to which the form as its body is missing.
pub fn upload_request(owner: &Account) -> RequestBuilder {
    let form_type = format!("multipart/form-data; boundary={BOUNDARY}");
    owner.rest.request(Method::POST, "/media/upload").header("content-type", form_type)
}

/// A file through the gateway, as a form sends it.
pub fn upload_form(owner: &Account, file_name: &str, content_type: &str, content: &[u8]) -> RequestBuilder {
    let (head, end) = form_around(file_name, content_type);
    upload_request(owner).body([head.as_bytes(), content, end.as_bytes()].concat())
}
