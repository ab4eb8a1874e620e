//! Pyroscope's API over made-up samples, as Grafana's data source and older viewers ask it.

use crate::api::{Answer, Running, ask, start_with};
use crate::flamegraph::engine;
use serde_json::{Value, json};

const CPU: &str = "process_cpu:cpu:nanoseconds:cpu:nanoseconds";
const OFF_CPU: &str = "off_cpu:off_cpu:nanoseconds:off_cpu:nanoseconds";
/// The samples begin here and take ten seconds, twice.
const START_MS: i64 = 1_767_323_045_000;

async fn call(server: &Running, name: &str, body: Value) -> Answer {
    let path = format!("/querier.v1.QuerierService/{name}");
    ask(server.addr, "POST", &path, &[("Content-Type", "application/json")], body.to_string().as_bytes()).await
}

async fn answer(server: &Running, name: &str, body: Value) -> Value {
    let answer = call(server, name, body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/json"));
    answer.json()
}

fn first_ten(more: Value) -> Value {
    let mut body = json!({ "start": START_MS, "end": START_MS + 9_999 });
    for (name, value) in more.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    body
}

/// Bars by name: width and what is its own, of single flame graphs.
fn bars(flame: &Value) -> Vec<(String, i64, i64)> {
    let number = |value: &Value| value.as_i64().or(value.as_str().and_then(|text| text.parse().ok())).unwrap();
    let mut bars = vec![];
    for level in flame["levels"].as_array().unwrap() {
        let values: Vec<i64> = level.get("values").unwrap_or(level).as_array().unwrap().iter().map(number).collect();
        for bar in values.chunks(4) {
            bars.push((flame["names"][bar[3] as usize].as_str().unwrap().to_owned(), bar[1], bar[2]));
        }
    }
    bars.sort();
    bars
}

#[tokio::test(flavor = "multi_thread")]
async fn types_and_labels() {
    let server = start_with(engine(), None).await;
    let types = answer(&server, "ProfileTypes", first_ten(json!({}))).await;
    let ids: Vec<&str> = types["profileTypes"].as_array().unwrap().iter().map(|ty| ty["ID"].as_str().unwrap()).collect();
    assert_eq!(ids, [OFF_CPU, CPU]);
    assert_eq!(
        types["profileTypes"][1],
        json!({ "ID": CPU, "name": "process_cpu", "sampleType": "cpu", "sampleUnit": "nanoseconds", "periodType": "cpu", "periodUnit": "nanoseconds" })
    );
    let names = answer(&server, "LabelNames", json!({})).await;
    assert!(names["names"].as_array().unwrap().contains(&json!("service_name")));
    let values = answer(&server, "LabelValues", first_ten(json!({ "name": "service_name" }))).await;
    assert_eq!(values["names"], json!(["first", "sec;ond"]));
    let matchers = json!({ "name": "service_name", "matchers": [format!(r#"{{__profile_type__="{OFF_CPU}"}}"#)] });
    assert_eq!(answer(&server, "LabelValues", first_ten(matchers)).await["names"], json!(["sec;ond"]));
    let series = answer(&server, "Series", first_ten(json!({ "labelNames": ["service_name", "pod"] }))).await;
    let set = |value: &str| json!({ "labels": [{ "name": "service_name", "value": value }] });
    assert_eq!(series["labelsSet"], json!([set("first"), set("sec;ond")]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flame_graph_by_call() {
    let server = start_with(engine(), None).await;
    let asked = first_ten(json!({ "profileTypeID": CPU, "labelSelector": r#"{service_name="first"}"# }));
    let flame = &answer(&server, "SelectMergeStacktraces", asked.clone()).await["flamegraph"];
    assert_eq!((&flame["total"], &flame["maxSelf"]), (&json!("1000"), &json!("700")));
    let bar = |name: &str, total, own| (name.to_owned(), total, own);
    assert_eq!(
        bars(flame),
        [
            bar("_start", 1000, 0),
            bar("alpha", 700, 0),
            bar("beta", 300, 0),
            bar("main", 1000, 0),
            bar("spin<&\"T\">", 300, 300),
            bar("spin<&\"T\">", 700, 700),
            bar("total", 1000, 0),
        ]
    );
    // the second bar of a level begins where the first ends
    assert_eq!(flame["levels"][3]["values"][4], "0");
    let none = first_ten(json!({ "profileTypeID": "none", "labelSelector": "{}" }));
    assert_eq!(answer(&server, "SelectMergeStacktraces", none).await["flamegraph"]["total"], "0");
    // the same in the other half of the time, beside it
    let mut later = asked.clone();
    (later["start"], later["end"]) = (json!(START_MS + 10_000), json!(START_MS + 19_999));
    let both = answer(&server, "Diff", json!({ "left": asked, "right": later })).await;
    assert_eq!(
        (&both["flamegraph"]["leftTicks"], &both["flamegraph"]["rightTicks"], &both["flamegraph"]["total"]),
        (&json!("1000"), &json!("1001"), &json!("2001"))
    );
    assert_eq!(both["flamegraph"]["levels"][0]["values"].as_array().map(Vec::len), Some(7));
}

#[tokio::test(flavor = "multi_thread")]
async fn sums_over_time() {
    let server = start_with(engine(), None).await;
    let asked = json!({ "profileTypeID": CPU, "labelSelector": "{}", "groupBy": ["service_name"], "step": 5 });
    let series = answer(&server, "SelectSeries", first_ten(asked)).await;
    let point = |seconds: i64, value: f64| json!({ "value": value, "timestamp": (START_MS + seconds * 1000).to_string() });
    assert_eq!(
        series["series"],
        json!([
            { "labels": [{ "name": "service_name", "value": "first" }], "points": [point(5, 1000.0)] },
            { "labels": [{ "name": "service_name", "value": "sec;ond" }], "points": [point(5, 47.0), point(10, 3.0)] },
        ])
    );
    let largest = json!({ "profileTypeID": CPU, "labelSelector": "{}", "groupBy": ["service_name"], "step": 5, "limit": 1 });
    let largest = answer(&server, "SelectSeries", first_ten(largest)).await;
    assert_eq!(largest["series"], json!([series["series"][0]]));
    let stats = answer(&server, "GetProfileStats", json!({})).await;
    assert_eq!((&stats["dataIngested"], &stats["oldestProfileTime"]), (&json!(true), &json!((START_MS + 1000).to_string())));
}

#[tokio::test(flavor = "multi_thread")]
async fn protocol_buffers_say_the_same() {
    let server = start_with(engine(), None).await;
    let addr = server.addr;
    let call = |name: &'static str, body: &'static [u8]| async move {
        let path = format!("/querier.v1.QuerierService/{name}");
        ask(addr, "POST", &path, &[("Content-Type", "application/proto")], body).await
    };
    // name: "service_name"
    let values = call("LabelValues", b"\x0a\x0cservice_name").await;
    assert_eq!(values.header("content-type"), Some("application/proto"));
    assert_eq!(values.body, b"\x0a\x05first\x0a\x07sec;ond");
    // the same profile as pprof's, uncompressed: its values are nanoseconds of CPU
    let profile = call("SelectMergeProfile", b"\x0a\x2bprocess_cpu:cpu:nanoseconds:cpu:nanoseconds\x12\x02{}").await;
    assert_eq!((profile.status, profile.header("content-type")), (200, Some("application/proto")), "{}", profile.text());
    assert!(profile.body.starts_with(b"\x0a\x04\x08\x01\x10\x02"), "{:?}", &profile.body[..16]);
    for text in [&b"\x32\x06on_cpu"[..], b"\x32\x0bnanoseconds", b"\x32\x05alpha"] {
        assert!(profile.body.windows(text.len()).any(|part| part == text), "{text:?}");
    }
    let refused = call("LabelValues", b"\xff").await;
    assert_eq!((refused.status, refused.json()["code"].clone()), (400, json!("invalid_argument")));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_asked_is_said() {
    let server = start_with(engine(), None).await;
    let refused = call(&server, "SelectMergeStacktraces", json!({ "labelSelector": "{service_name" })).await;
    assert_eq!((refused.status, refused.json()["code"].clone()), (400, json!("invalid_argument")));
    let unknown = call(&server, "SelectHeatmap", json!({})).await;
    assert_eq!((unknown.status, unknown.json()["code"].clone()), (404, json!("unimplemented")));
    for (name, body) in [
        ("SelectSeries", json!({ "profileTypeID": CPU, "aggregation": "TIME_SERIES_AGGREGATION_TYPE_AVERAGE" })),
        ("SelectMergeStacktraces", json!({ "profileTypeID": CPU, "stackTraceSelector": { "callSite": [{ "name": "main" }] } })),
        ("SelectMergeProfile", json!({ "profileTypeID": CPU })),
    ] {
        let beyond = call(&server, name, body).await;
        assert_eq!((beyond.status, beyond.json()["code"].clone()), (404, json!("unimplemented")), "{name}");
    }
    let packed = [("Content-Type", "application/json"), ("Content-Encoding", "gzip")];
    let packed = ask(server.addr, "POST", "/querier.v1.QuerierService/LabelNames", &packed, b"{}").await;
    assert_eq!(packed.json()["code"], "unimplemented");
    let text =
        ask(server.addr, "POST", "/querier.v1.QuerierService/LabelNames", &[("Content-Type", "text/plain")], b"{}").await;
    assert_eq!(text.status, 415);
    for path in [
        "/pyroscope/render",
        "/pyroscope/render?query=a&format=dot",
        "/pyroscope/render?query=%7Ba",
        "/pyroscope/render?query=a&from=soon",
        "/pyroscope/label-values",
    ] {
        assert_eq!(ask(server.addr, "GET", path, &[], b"").await.status, 400, "{path}");
    }
    let guarded = start_with(engine(), Some("secret")).await;
    for path in ["/pyroscope/render?query=a", "/pyroscope/labels"] {
        assert_eq!(ask(guarded.addr, "GET", path, &[], b"").await.status, 401, "{path}");
    }
    assert_eq!(call(&guarded, "LabelNames", json!({})).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn older_viewers_are_served_too() {
    let server = start_with(engine(), None).await;
    let addr = server.addr;
    let get = |path: String| async move { ask(addr, "GET", &path, &[], b"").await };
    let window = format!("from={}&until={}", START_MS / 1000, START_MS + 10_000);
    let answer = get(format!("/pyroscope/render?query={CPU}%7Bservice_name%3D%22first%22%7D&{window}&format=json")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let answer = answer.json();
    assert_eq!((&answer["flamebearer"]["numTicks"], &answer["flamebearer"]["maxSelf"]), (&json!(1000), &json!(700)));
    assert_eq!(bars(&answer["flamebearer"]).len(), 7);
    assert_eq!(answer["metadata"]["sampleRate"], 1_000_000_000);
    assert_eq!(
        answer["timeline"]["samples"].as_array().map(|list| list.iter().filter_map(Value::as_i64).sum::<i64>()),
        Some(1000)
    );
    let sides = format!(
        "leftQuery={CPU}&leftFrom={0}&leftUntil={1}&rightQuery={CPU}&rightFrom={1}&rightUntil={2}",
        START_MS,
        START_MS + 10_000,
        START_MS + 20_000
    );
    let both = get(format!("/pyroscope/render-diff?{sides}")).await.json();
    assert_eq!((&both["leftTicks"], &both["rightTicks"]), (&json!(1050), &json!(1001)));
    assert_eq!(both["metadata"]["format"], "double");
    let values = get(format!("/pyroscope/label-values?label=process_name&{window}")).await.json();
    assert_eq!(values, json!(["first", "sec;ond"]));
}
