"""What a ranking is worth, computed by trec_eval.

nDCG has linear gains and logarithmic discounts (Järvelin and Kekäläinen 2002, as trec_eval
computes it); MRR looks at the whole ranking.
"""

from collections.abc import Mapping, Sequence

from pytrec_eval import RelevanceEvaluator

from app.evaluation.golden import GoldenQuery

_TREC_NAMES = {
    "nDCG@10": "ndcg_cut_10",
    "recall@5": "recall_5",
    "recall@10": "recall_10",
    "recall@100": "recall_100",
    "MRR": "recip_rank",
    "success@1": "success_1",
}
MEASURES = tuple(_TREC_NAMES)
MAIN_MEASURE = "nDCG@10"
DEPTH = 100
"""How many documents of each ranking are looked at."""


def score_rankings(
    golden: Sequence[GoldenQuery], rankings: Sequence[Sequence[str]]
) -> dict[str, list[float]]:
    """Return the values of each of MEASURES, one a query, in the order of `golden`.

    `rankings` holds document ids, best first, without repeats. An empty ranking scores 0.
    """
    evaluator = RelevanceEvaluator(
        {str(i): dict(query.relevant) for i, query in enumerate(golden)},
        {"ndcg_cut.10", "recall.5,10,100", "recip_rank", "success.1"},
    )
    # trec_eval orders by score, and equal scores by id: ranks as scores keep the order as it is.
    run = {
        str(i): {document_id: float(-rank) for rank, document_id in enumerate(ranking)}
        for i, ranking in enumerate(rankings)
    }
    scored: Mapping[str, Mapping[str, float]] = evaluator.evaluate(run)
    nothing: Mapping[str, float] = {}
    return {
        name: [scored.get(str(i), nothing).get(trec, 0.0) for i in range(len(golden))]
        for name, trec in _TREC_NAMES.items()
    }
