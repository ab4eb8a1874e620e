//! `/api/v1/tables`: what can be asked for, from the tables' declarations.

use axum::Json;
use axum::extract::{Path, State};
use schema::{Column, Table};
use serde_json::{Value, json};

use super::App;
use super::problem::{Problem, not_found};
use crate::sql::requests_columns;

const REQUESTS: &str = "requests";
const REQUESTS_ABOUT: &str = "One row a request of any protocol: all traffic tables in one view.";

pub(super) async fn list(State(app): State<App>) -> Json<Value> {
    let tables = app.engine.store().tables();
    let view = tables.iter().any(|t| t.requests.is_some()).then(view);
    Json(tables.iter().map(|t| table(t)).chain(view).collect())
}

pub(super) async fn one(State(app): State<App>, Path(name): Path<String>) -> Result<Json<Value>, Problem> {
    let store = app.engine.store();
    if let Some(found) = store.table(&name) {
        return Ok(Json(table(found)));
    }
    if name == REQUESTS && store.tables().iter().any(|t| t.requests.is_some()) {
        return Ok(Json(view()));
    }
    Err(not_found(&format!("table {name}")).hint("GET /api/v1/tables lists them"))
}

fn table(table: &Table) -> Value {
    described(table.name, table.meaning(), table.columns())
}

fn view() -> Value {
    described(REQUESTS, REQUESTS_ABOUT, requests_columns())
}

fn described(name: &str, about: &str, columns: impl Iterator<Item = &'static Column>) -> Value {
    let columns: Vec<Value> = columns
        .map(|c| json!({ "name": c.name, "type": c.ty.sql(), "unit": c.unit.map(|u| u.as_str()), "meaning": c.meaning() }))
        .collect();
    json!({ "name": name, "about": about, "columns": columns })
}
