//! Answers of JSON.

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::error::Problem;

/// A body of JSON.
pub(super) struct Answer<T>(pub(super) T);

/// What most handlers answer.
pub(super) type Json<T> = Result<Answer<T>, Problem>;

impl<T: Serialize> IntoResponse for Answer<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(body) => {
                let json = HeaderValue::from_static("application/json");
                ([(header::CONTENT_TYPE, json)], body).into_response()
            }
            Err(error) => {
                Problem::from(chimera_layer4_core::FabricError::from(error)).into_response()
            }
        }
    }
}
