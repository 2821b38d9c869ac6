"""Rerankers over HTTP and on the command line: forms of requests and answers, order, what is cut, what is refused."""
import json

import pytest
import tiny_bert
from test_serve import Server

DOCUMENTS = ["hello world", "x", "hello hello", "abc def", "world"]


@pytest.fixture
def reranker(cli):
    cli.ok("import", tiny_bert.add_head(tiny_bert.make(cli.folder / "bert.gguf"), cli.folder / "rank.gguf"), "tiny-rank")
    return cli


def rerank(s, status=200, path="/v1/rerank", **body):
    return s.json("POST", path, {"model": "tiny-rank", "query": "hello", "documents": DOCUMENTS} | body, status=status)


def test_documents_come_best_first(reranker):
    with Server(reranker) as s:
        got = rerank(s)
        scores = [r["relevance_score"] for r in got["results"]]
        assert got["object"] == "list" and got["model"] == "tiny-rank" and got["id"]
        assert sorted(r["index"] for r in got["results"]) == [0, 1, 2, 3, 4] and "document" not in got["results"][0]
        assert scores == sorted(scores, reverse=True) and all(0 < x < 1 for x in scores) and len(set(scores)) == 5
        # [CLS] hello [SEP] and each document with [SEP]: 2, 1, 2, 6 and 1 pieces
        assert got["usage"] == {"prompt_tokens": 5 * 4 + 12, "total_tokens": 32}
        for path in ("/rerank", "/reranking", "/v1/reranking", "/v2/rerank"):
            assert rerank(s, path=path)["results"] == got["results"]
        alone = [rerank(s, documents=[d])["results"][0]["relevance_score"] for d in DOCUMENTS]
        assert [alone[r["index"]] for r in got["results"]] == scores  # the same bits, alone and among others
        assert rerank(s, query="abc")["results"] != got["results"]
        best = rerank(s, top_n=2, return_documents=True)["results"]
        assert [(r["index"], r["document"]) for r in best] == [(r["index"], {"text": DOCUMENTS[r["index"]]}) for r in got["results"][:2]]
        assert rerank(s, documents=[{"text": d} for d in DOCUMENTS], top_n=0)["results"] == got["results"]
        tei = s.json("POST", "/rerank", {"model": "tiny-rank", "query": "hello", "texts": DOCUMENTS, "return_text": True})
        assert tei == [{"index": r["index"], "score": r["relevance_score"], "text": DOCUMENTS[r["index"]]} for r in got["results"]]


def test_what_is_too_long_is_cut_or_refused(reranker):
    with Server(reranker) as s:
        long = "abc " * 100  # 3 pieces each; 64 positions
        assert rerank(s, documents=[long])["usage"]["prompt_tokens"] <= 64
        error = rerank(s, documents=["x", long], truncate=False, status=400)["error"]
        assert error["code"] == "context_length_exceeded" and "64 tokens" in error["message"] and "304 tokens" in error["message"]
        assert rerank(s, query=long, status=400)["error"]["code"] == "context_length_exceeded"


def test_what_makes_no_sense_is_refused(reranker):
    reranker.ok("import", reranker.folder / "bert.gguf", "tiny-bert")
    with Server(reranker) as s:
        for bad in (7, "a", [], [7], [["a"]], [{"txt": "a"}], {"a": 1}):
            assert "documents" in rerank(s, documents=bad, status=400)["error"]["message"], bad
        assert "query" in rerank(s, query="", status=400)["error"]["message"]
        assert "query" in s.json("POST", "/v1/rerank", {"model": "tiny-rank", "documents": ["a"]}, status=400)["error"]["message"]
        assert "top_n" in rerank(s, top_n=-1, status=400)["error"]["message"]
        assert "no reranker" in rerank(s, model="tiny-bert", status=400)["error"]["message"]
        error = s.json("POST", "/v1/embeddings", {"model": "tiny-rank", "input": "a"}, status=400)["error"]["message"]
        assert "use rerank" in error


def test_a_template_of_the_file_makes_the_prompt(reranker):
    form = "abc {query} [SEP] {document} def"
    file = tiny_bert.add_head(reranker.folder / "bert.gguf", reranker.folder / "form.gguf", form)
    reranker.ok("import", file, "form")
    with Server(reranker) as s:
        got = s.json("POST", "/v1/rerank", {"model": "form", "query": "hello", "documents": ["[SEP]"]})
        # [CLS] a ##b ##c hello [SEP] x d ##e ##f [SEP]; a mark in a document is letters: [ s e p ] and none of them known
        assert got["usage"]["prompt_tokens"] == 15
        one = s.json("POST", "/v1/rerank", {"model": "form", "query": "hello", "documents": ["x"]})
        assert one["usage"]["prompt_tokens"] == 11


def test_the_command(reranker):
    lines = [line.split(None, 2) for line in reranker.ok("rerank", "tiny-rank", "hello", *DOCUMENTS).splitlines()]
    assert sorted(int(i) for _, i, _ in lines) == [0, 1, 2, 3, 4] and all(DOCUMENTS[int(i)] == text for _, i, text in lines)
    assert [float(x) for x, _, _ in lines] == sorted((float(x) for x, _, _ in lines), reverse=True)
    got = json.loads(reranker.ok("rerank", "tiny-rank", "hello", "--json", "--top", 2, stdin="\n".join(DOCUMENTS)))
    assert [r["index"] for r in got["results"]] == [int(i) for _, i, _ in lines[:2]] and got["tokens"] == 32
    assert reranker("rerank", "tiny-rank", "hello", stdin="").returncode == 2
    done = reranker("rerank", "tiny-rank", "hello", "x", "abc " * 100)
    assert done.returncode == 9 and "question and document 1 have 304 tokens and the context holds 64" in done.stderr
    done = reranker("rerank", "tiny-rank", "hello", "--truncate", "abc " * 100)
    assert done.returncode == 0 and "1 of 1 documents were cut" in done.stderr
