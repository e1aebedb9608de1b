PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE notes(
    run TEXT NOT NULL, pair_id TEXT NOT NULL, text TEXT NOT NULL, changed_at REAL NOT NULL, PRIMARY KEY (run, pair_id));
CREATE TABLE flags(
    run TEXT NOT NULL, pair_id TEXT NOT NULL, flagged_at REAL NOT NULL, PRIMARY KEY (run, pair_id));
CREATE TABLE live_judgements(
    key TEXT PRIMARY KEY, time REAL NOT NULL, image TEXT, question TEXT NOT NULL, a TEXT NOT NULL, b TEXT NOT NULL,
    judges TEXT NOT NULL, results TEXT NOT NULL);
INSERT INTO live_judgements VALUES('5c2c79de1a86',1795894408.4681968688,NULL,'How many?','Three.','Four.','["shapes-01/judge-v1", "shapes-01/judge-v0"]','[{"judge": "judge-v1", "about": "shapes-01, best version", "a_first": {"first": "A", "state": "done", "text": "I see three. [[A]]", "verdict": "A", "tokens": null, "seconds": 1.5, "first_seconds": 0.2, "confidence": 0.9}, "b_first": {"first": "B", "state": "done", "text": "I see three. [[B]]", "verdict": "B", "tokens": null, "seconds": 1.25, "first_seconds": 0.1, "confidence": 0.8}, "failed": null}, {"judge": "judge-v0", "about": "shapes-01, base model", "a_first": {"first": "A", "state": "done", "text": "I see three. [[A]]", "verdict": "A", "tokens": null, "seconds": 1.5, "first_seconds": 0.2, "confidence": 0.9}, "b_first": {"first": "B", "state": "done", "text": "The first. [[A]]", "verdict": "A", "tokens": null, "seconds": 1.0, "first_seconds": 0.1, "confidence": 0.7}, "failed": null}]');
COMMIT;
