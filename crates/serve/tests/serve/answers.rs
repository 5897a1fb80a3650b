//! What the routes answer.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use candle_core::Device;
use lenet_model::{Weights, pretrained};
use lenet_picture::Preparation;

use crate::{Answer, ask, drawn, get, json, metric, post, request, server, serving};

#[track_caller]
fn is_seven(answer: &Answer) {
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let json = answer.json();
    assert_eq!(
        (&json["label"], &json["blank"]),
        (&"7".into(), &false.into())
    );
    let probabilities = json["probabilities"].as_object().unwrap();
    let sum: f64 = probabilities
        .values()
        .map(|part| part.as_f64().unwrap())
        .sum();
    assert_eq!(probabilities.len(), 10);
    assert!((sum - 1.).abs() < 1e-5, "{sum}");
    assert_eq!(json["probability"], probabilities["7"]);
}

#[test]
fn pictures_and_pixels_are_classified() {
    let server = server();
    let address = server.address();
    let seven = drawn("7-007.png");
    is_seven(&post(address, "image/png", &seven));
    // What `curl --data-binary` says of everything.
    is_seven(&post(address, "application/x-www-form-urlencoded", &seven));

    let mut jpeg = std::io::Cursor::new(Vec::new());
    let picture = image::load_from_memory(&seven).unwrap().to_rgb8();
    picture
        .write_to(&mut jpeg, image::ImageFormat::Jpeg)
        .unwrap();
    is_seven(&post(address, "image/jpeg", jpeg.get_ref()));

    let picture = lenet_picture::Picture::decode(&seven).unwrap();
    let form = lenet_picture::prepare(&picture, Default::default(), Default::default());
    let lenet_picture::Form::Digit(image) = form else {
        panic!("blank")
    };
    let body = json(&image);
    is_seven(&post(address, "application/json", &body));
    is_seven(&post(address, "application/json; charset=utf-8", &body));
    is_seven(&post(address, "text/plain", &body));
    assert_eq!(
        post(address, "application/json", &body).body,
        post(address, "image/png", &seven).body
    );
}

/// Pictures in JSON: one, or several in their order, in base64 or as data URLs; of two digits, that
/// there are two; and a bad one by its place.
#[test]
fn pictures_in_json_are_read() {
    let server = server();
    let post = |body: serde_json::Value| {
        let answer = post(
            server.address(),
            "application/json",
            body.to_string().as_bytes(),
        );
        (answer.status, answer.json())
    };
    let one = image::load_from_memory(&drawn("1-007.png"))
        .unwrap()
        .to_luma8();
    let two = image::GrayImage::from_fn(56, 28, |x, y| *one.get_pixel(x % 28, y));
    let mut png = std::io::Cursor::new(Vec::new());
    two.write_to(&mut png, image::ImageFormat::Png).unwrap();
    let seven = BASE64_STANDARD.encode(drawn("7-007.png"));
    let two = format!(
        "data:image/png;base64,{}",
        BASE64_STANDARD.encode(png.get_ref())
    );
    let (status, single) = post(serde_json::json!({ "picture": seven }));
    assert_eq!((status, &single["label"]), (200, &"7".into()));
    let (status, list) = post(serde_json::json!({ "pictures": [seven, two] }));
    assert_eq!(status, 200);
    let list = list["predictions"].as_array().unwrap();
    assert_eq!(list[0], single);
    let (label, several) = (&list[1]["label"], &list[1]["several"]);
    assert_eq!((list.len(), label, several), (2, &().into(), &2.into()));
    let (status, refused) = post(serde_json::json!({ "pictures": [seven, "R0lGODlh"] }));
    assert_eq!((status, &refused["field"]), (400, &"pictures[1]".into()));
}

/// Zeros are no drawing, and numbers of 0 to 1 another scale.
#[test]
fn pixels_of_another_scale_are_refused_and_zeros_are_blank() {
    let server = server();
    let post = |pixels: &[f32]| post(server.address(), "application/json", &json(pixels));
    let blank = post(&[0.; 784]);
    assert_eq!(
        (blank.status, blank.json()["blank"].clone()),
        (200, true.into())
    );
    let mut pixels = [0.; 784];
    pixels[300..400].fill(0.9);
    let refused = post(&pixels);
    assert_eq!(
        (refused.status, refused.json()["field"].clone()),
        (400, "pixels".into())
    );
    assert!(refused.text().contains("255"), "{refused:?}");
}

/// A network of whole pictures takes one whose ink would be something else; one that knows its own
/// says what it does not.
#[test]
fn pictures_are_taken_as_the_model_says() {
    let texture = image::GrayImage::from_fn(28, 28, |x, y| image::Luma([(9 * x + y) as u8]));
    let mut png = std::io::Cursor::new(Vec::new());
    texture.write_to(&mut png, image::ImageFormat::Png).unwrap();
    let mut weights = pretrained::mnist(&Device::Cpu).unwrap();
    let mut familiar = Vec::new();
    for (preparation, threshold) in [
        (Preparation::Ink, None),
        (Preparation::AsIs, Some(-1e30)),
        (Preparation::AsIs, Some(1e30)),
    ] {
        weights.metadata.preparation = Some(preparation);
        weights.metadata.familiarity = threshold.map(|threshold| {
            let parts = serde_json::json!({
                "means": vec![vec![0; 84]; 10],
                "variances": vec![1; 84],
                "roughness": [0, 1],
                "scales": [[0, 1], [0, 1], [0, 1]],
                "threshold": threshold,
            });
            serde_json::from_value(parts).unwrap()
        });
        let server = serving(&weights);
        let picture = post(server.address(), "image/png", png.get_ref()).json();
        let pixels = json(texture.as_raw());
        let pixels = post(server.address(), "application/json", &pixels).json();
        let is_whole = preparation == Preparation::AsIs;
        assert_eq!(picture == pixels, is_whole, "{picture} {pixels}");
        familiar.push(pixels.get("familiar").cloned());
    }
    assert_eq!(familiar, [None, Some(true.into()), Some(false.into())]);
}

/// Under the API's name and the one that the page asks for.
#[test]
fn the_weights_file_is_the_model() {
    let mut weights = pretrained::mnist(&Device::Cpu).unwrap();
    weights.metadata.dataset = Some("own".to_owned());
    let server = serving(&weights);
    for path in ["/api/model.safetensors", "/model.safetensors"] {
        let file = get(server.address(), path);
        assert_eq!(
            (file.status, &file.body),
            (200, &weights.to_bytes().unwrap())
        );
        let read = Weights::from_bytes(&file.body, &Device::Cpu).unwrap();
        assert_eq!(read.metadata, weights.metadata);
        let disposition = file.header("content-disposition");
        assert_eq!(
            disposition,
            Some("attachment; filename=\"model.safetensors\"")
        );
        let tag = file.header("etag").unwrap();
        let known = request("GET", path, &format!("If-None-Match: {tag}\r\n"));
        assert_eq!(ask(server.address(), &known).status, 304);
        // Another model has another tag.
        server
            .replace(&pretrained::mnist(&Device::Cpu).unwrap())
            .unwrap();
        assert_eq!(ask(server.address(), &known).status, 200);
        server.replace(&weights).unwrap();
    }
}

#[test]
fn the_model_describes_itself() {
    let server = server();
    let model = get(server.address(), "/api/model").json();
    // What the model's own file says, and how large it is.
    let weights = pretrained::mnist(&Device::Cpu).unwrap();
    let expected = serde_json::to_string(&weights.metadata).unwrap();
    let mut expected: serde_json::Value = serde_json::from_str(&expected).unwrap();
    expected.as_object_mut().unwrap().remove("familiarity");
    expected["parameters"] = 61_706.into();
    assert_eq!(model, expected);
    let health = get(server.address(), "/healthz");
    assert_eq!((health.status, health.text().as_str()), (200, "ok\n"));
}

#[test]
fn metrics_count() {
    let server = server();
    let address = server.address();
    post(address, "image/png", &drawn("3-007.png"));
    post(address, "image/png", b"nonsense");
    get(address, "/nowhere");
    get(address, "/nowhere/else");
    let answer = get(address, "/metrics");
    let kind = answer.header("content-type");
    assert_eq!(kind, Some("text/plain; version=0.0.4; charset=utf-8"));
    let requests = |route, status| {
        let labels = format!("route=\"{route}\",status=\"{status}\"");
        metric(address, &format!("lenet_http_requests_total{{{labels}}}"))
    };
    assert_eq!(requests("/api/predict", 200), 1);
    assert_eq!(requests("/api/predict", 400), 1);
    assert_eq!(requests("page", 404), 2);
    assert_eq!(metric(address, "lenet_batch_size_bucket{le=\"1\"}"), 1);
    // Its own; those before are counted until the server has seen them closed.
    let is_alone = |_| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        metric(address, "lenet_connections") == 1
    };
    assert!((0..1_000).any(is_alone));
    assert!(metric(address, "lenet_http_request_duration_seconds_count") >= 5);
}

#[test]
fn every_answer_has_the_headers() {
    let server = server();
    for path in ["/", "/healthz", "/api/model", "/api/predict", "/nowhere"] {
        let answer = get(server.address(), path);
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'self';"), "{policy}");
        assert!(policy.contains("'wasm-unsafe-eval'") && !policy.contains("'unsafe-eval'"));
        let nosniff = answer.header("x-content-type-options");
        assert_eq!(nosniff, Some("nosniff"), "{path}");
        assert!(answer.header("cache-control").is_some(), "{path}");
        let allowed = answer.header("access-control-allow-origin");
        assert_eq!(allowed, None, "{path}");
    }
}

#[test]
fn the_page_is_kept_until_it_changes() {
    let server = server();
    let page = get(server.address(), "/");
    assert_eq!(page.status, 200);
    let kind = page.header("content-type");
    assert_eq!(kind, Some("text/html; charset=utf-8"));
    assert!(page.text().starts_with("<!doctype html>"));
    let tag = page.header("etag").unwrap();
    assert_eq!(page.header("cache-control"), Some("no-cache"));
    for known in [tag.to_owned(), format!("\"x\", W/{tag}"), "*".to_owned()] {
        let line = format!("If-None-Match: {known}\r\n");
        let again = ask(server.address(), &request("GET", "/index.html", &line));
        assert_eq!((again.status, again.body.len()), (304, 0), "{known}");
        assert_eq!(again.header("etag"), Some(tag));
    }
    let other = request("GET", "/", "If-None-Match: \"0\"\r\n");
    assert_eq!(ask(server.address(), &other).status, 200);
}

#[test]
fn head_is_get_without_the_body() {
    let server = server();
    for path in ["/", "/healthz", "/api/model"] {
        let whole = get(server.address(), path);
        let head = ask(server.address(), &request("HEAD", path, ""));
        assert_eq!((head.status, head.body.len()), (200, 0), "{path}");
        let length = whole.body.len().to_string();
        assert_eq!(head.header("content-length"), Some(&*length), "{path}");
        assert_eq!(head.header("content-type"), whole.header("content-type"));
    }
}
