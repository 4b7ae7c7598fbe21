//! `rank` as a user types it.
#![allow(clippy::unwrap_used)]

mod common;

use common::Scene;
use serde_json::Value;

fn list<'a>(value: &'a Value, key: &str) -> &'a Vec<Value> {
    value[key].as_array().unwrap()
}

/// Two networks of random weights, the second of which sees nothing: all its features are equal.
fn scene() -> Scene {
    let scene = Scene::new();
    scene.backbone("blind", "cifar_resnet20", |key, values| {
        if key == "conv1.weight" {
            values.iter_mut().for_each(|value| *value = 0.0);
        }
    });
    scene.colours("colours", 16, 8);
    scene
}

#[test]
fn the_network_that_sees_is_taken_and_test_images_are_never_read() {
    let scene = scene();
    let rank = |more: &[&str]| {
        let typed = ["rank", "colours", "--backbone", "blind.safetensors", "tiny.safetensors", "--json"];
        scene.run(&[&typed[..], more].concat())
    };
    let found = rank(&[]);
    assert_eq!(found.code, 0, "{}", found.err);
    let object = found.json();
    assert_eq!((&object["command"], &object["images"]), (&"rank".into(), &48.into()));
    let candidates = list(&object, "candidates");
    assert_eq!((&candidates[0]["name"], &candidates[0]["in_set"]), (&"tiny".into(), &true.into()));
    assert_eq!((&candidates[1]["name"], &candidates[1]["in_set"]), (&"blind".into(), &false.into()));
    assert!(candidates[0]["accuracy"]["value"].as_f64().unwrap() > 0.8, "{}", candidates[0]);
    let scores = list(&candidates[0], "scores");
    assert_eq!(scores.len(), 10);
    let named = |name: &str| scores.iter().find(|one| one["score"] == name).unwrap();
    for score in ["logme", "h-score", "sfda", "transrate", "gbc", "parc", "nearest-neighbour", "leep", "nce"] {
        assert!(named(score)["value"].is_f64(), "{score}: {}", named(score));
    }
    assert!(named("n-leep")["reason"].as_str().unwrap().contains("48 rows are too few"));
    assert!(named("logme")["above_chance"].as_f64().unwrap() > 3.0);
    // Of the network that sees nothing the scores say why they are silent.
    let silent = list(&candidates[1], "scores").iter().find(|one| one["score"] == "logme").unwrap();
    assert!(silent["value"].is_null() && silent["reason"].is_string(), "{silent}");
    assert!(object["warnings"].to_string().contains("2 candidates are too few"));

    // Test images that are no images change nothing.
    for class in ["red", "green", "blue"] {
        std::fs::write(scene.at(&format!("colours/test/{class}/0.bmp")), "no image").unwrap();
    }
    let same = |mut object: Value| {
        object["seconds"] = Value::Null;
        for candidate in object["candidates"].as_array_mut().unwrap() {
            candidate["seconds"] = Value::Null;
            let scores = candidate["scores"].as_array_mut().unwrap();
            scores.iter_mut().for_each(|score| score["seconds"] = Value::Null);
        }
        object
    };
    let again = rank(&["--threads", "1"]);
    assert_eq!(same(again.json()), same(object));

    // A training image that is none is named with the reason and counted.
    std::fs::write(scene.at("colours/train/red/0.bmp"), "no image").unwrap();
    let skipped = rank(&["--strict"]);
    assert_eq!(skipped.code, 1, "{}", skipped.err);
    let object = skipped.json();
    assert_eq!(object["images"], 47);
    assert!(object["skipped"][0]["locator"].as_str().unwrap().ends_with("red/0.bmp"), "{}", object["skipped"]);
    assert_ne!(object["skipped"][0]["reason"], "");
}

#[test]
fn a_folder_of_weights_is_ranked_and_what_is_none_is_named() {
    let scene = scene();
    std::fs::create_dir(scene.at("weights")).unwrap();
    for name in ["tiny", "blind"] {
        std::fs::copy(scene.at(&format!("{name}.safetensors")), scene.at(&format!("weights/{name}.safetensors")))
            .unwrap();
        let description = scene.at(&format!("{name}.json"));
        if description.exists() {
            std::fs::copy(description, scene.at(&format!("weights/{name}.json"))).unwrap();
        }
    }
    std::fs::write(scene.at("weights/broken.safetensors"), "no weights").unwrap();
    let object = scene.ok(&["rank", "colours", "--backbones", "weights", "--scores", "none", "--json"]).json();
    assert_eq!(list(&object, "candidates").len(), 2, "{object}");
    assert!(object["left_out"][0]["name"].as_str().unwrap().ends_with("broken.safetensors"), "{object}");

    scene.run(&["rank", "colours", "--scores", "magic"]).refused(2, &["no score 'magic'", "logme"]);
    scene.run(&["rank", "nowhere", "--backbones", "weights"]).refused(2, &["nowhere"]);
    scene.run(&["rank", "colours", "--backbones", "gone"]).refused(2, &["gone"]);
    scene.colours("few", 3, 2);
    scene.run(&["rank", "few", "--backbones", "weights"]).refused(2, &["9 training images are too few"]);
}

/// Three networks of which one sees nothing, on two data sets, one of them fine-tuned; computed in two parts, cut short, resumed, and blind to
/// test labels in everything but the truth.
#[test]
fn the_study_of_ranking_holds_every_score_against_the_truth() {
    let scene = scene();
    scene.backbone("other", "cifar_resnet20", |_, values| values.iter_mut().for_each(|value| *value *= 0.9));
    scene.colours("few", 12, 8);
    let networks = ["--backbone", "tiny.safetensors", "other.safetensors", "blind.safetensors"];
    let study = [&["study", "ranking", "colours", "few"][..], &networks].concat();
    let tuned = [&study[..], &["--fine-tuned", "few", "--epochs", "1", "--json"]].concat();
    let plan = scene.ok(&[&tuned[..], &["--plan"]].concat()).json();
    assert_eq!((list(&plan, "plan").len(), &plan["plan"][0]["fine_tuned"]), (3, &1.into()), "{plan}");
    let cut = scene.ok(&[&tuned[..], &["--shard", "1/2"]].concat()).json();
    assert_eq!((list(&cut, "unfinished").len(), list(&cut, "truths").len()), (4, 0), "{cut}");
    scene.ok(&[&tuned[..], &["--shard", "2/2"]].concat());
    let found = scene.ok(&[&tuned[..], &["-o", "page.html", "--budget", "1s"]].concat()).json();
    assert_eq!(found["unfinished"], serde_json::json!([]), "both parts were kept");
    let truths = list(&found, "truths");
    assert_eq!((&truths[0]["truth"], &truths[1]["truth"]), (&"frozen".into(), &"fine-tuned".into()));
    assert_eq!((list(&truths[0], "sets").len(), list(&truths[1], "sets").len()), (2, 1));
    for truth in truths {
        let predictors = list(truth, "predictors");
        assert_eq!(predictors.len(), 14);
        let neighbour = predictors.iter().find(|one| one["predictor"]["score"] == "nearest-neighbour").unwrap();
        let tau = &neighbour["mean"]["tau"];
        let [value, low, high] = ["value", "low", "high"].map(|end| tau[end].as_f64().unwrap());
        assert!(low <= value && value <= high && high <= 1.0, "{neighbour}");
    }
    let networks_of = |set: usize| list(&found["sets"][set], "networks");
    let blind = networks_of(0).iter().find(|one| one["network"] == "blind").unwrap();
    assert!(blind["frozen"].as_f64().unwrap() < 0.5, "{blind}");
    assert_eq!(networks_of(1)[0]["fine_tuned"].as_array().unwrap().len(), 1);
    let page = std::fs::read_to_string(scene.at("page.html")).unwrap();
    assert!(page.contains("Which score orders networks") && page.contains("better than chance"));

    // Test images that change their classes change the truth and no score.
    for number in 0..8 {
        let at = |class: &str| scene.at(&format!("few/test/{class}/{number}.bmp"));
        std::fs::rename(at("red"), scene.at("kept.bmp")).unwrap();
        std::fs::rename(at("green"), at("red")).unwrap();
        std::fs::rename(scene.at("kept.bmp"), at("green")).unwrap();
    }
    let other = scene.ok(&[&study[..], &["--json"]].concat()).json();
    let scores = |object: &Value, set: usize, network: usize| {
        let of = &object["sets"][set]["networks"][network];
        let values = list(of, "scores").iter().map(|one| one["value"].clone()).collect::<Vec<Value>>();
        (values, of["probe"].clone())
    };
    let frozen = |object: &Value| object["sets"][1]["networks"][0]["frozen"].as_f64().unwrap();
    assert!(frozen(&other) < frozen(&found) - 0.3, "{other}");
    (0..3).for_each(|network| assert_eq!(scores(&other, 1, network), scores(&found, 1, network)));

    scene
        .run(&[&study[..], &["--fine-tuned", "moon"]].concat())
        .refused(2, &["no data set is named 'moon'", "colours, few"]);
    scene.run(&["study", "ranking", "colours", "--backbone", "tiny.safetensors"]).refused(2, &["an order takes 3"]);
    scene
        .run(&[&["study", "ranking", "colours/train"][..], &networks].concat())
        .refused(2, &["not both training rows"]);
    scene
        .run(&[&["study", "ranking", "few", "few"][..], &networks].concat())
        .refused(2, &["second data set named 'few'"]);
    scene.run(&["study", "ranking"]).refused(2, &["<DATA>"]);
}
