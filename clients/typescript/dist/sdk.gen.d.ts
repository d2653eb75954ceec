import type { Client, Options as Options2, TDataShape } from './client/index.js';
import type { AddGoldenData, AddGoldenErrors, AddGoldenResponses, CalibrateData, CalibrateErrors, CalibrateResponses, CancelJobData, CancelJobErrors, CancelJobResponses, ChangeCollectionData, ChangeCollectionErrors, ChangeCollectionResponses, ChangeDocumentData, ChangeDocumentErrors, ChangeDocumentResponses, ChangeGoldenData, ChangeGoldenErrors, ChangeGoldenResponses, CheckArticleData, CheckArticleErrors, CheckArticleResponses, CheckHealthData, CheckHealthResponses, CheckReadinessData, CheckReadinessErrors, CheckReadinessResponses, CreateCollectionData, CreateCollectionErrors, CreateCollectionResponses, CreateGenerationData, CreateGenerationErrors, CreateGenerationResponses, CreateKeyData, CreateKeyErrors, CreateKeyResponses, CreateTuningData, CreateTuningErrors, CreateTuningResponses, DeleteCollectionData, DeleteCollectionErrors, DeleteCollectionResponses, DeleteDocumentData, DeleteDocumentErrors, DeleteDocumentResponses, DeleteDocumentsData, DeleteDocumentsErrors, DeleteDocumentsResponses, EraseQueriesData, EraseQueriesErrors, EraseQueriesResponses, ExplainData, ExplainErrors, ExplainResponses, FollowJobData, FollowJobErrors, FollowJobResponse, FollowJobResponses, GetBackupData, GetBackupErrors, GetBackupResponses, GetCalibrationData, GetCalibrationErrors, GetCalibrationResponses, GetCollectionData, GetCollectionErrors, GetCollectionResponses, GetContextData, GetContextErrors, GetContextResponses, GetDocumentData, GetDocumentErrors, GetDocumentResponses, GetEvaluationData, GetEvaluationErrors, GetEvaluationResponses, GetGapsData, GetGapsErrors, GetGapsResponses, GetGenerationData, GetGenerationErrors, GetGenerationResponses, GetJobData, GetJobErrors, GetJobResponses, GetOriginalData, GetOriginalErrors, GetOriginalResponses, GetReparseData, GetReparseErrors, GetReparseResponses, GetStatisticsData, GetStatisticsErrors, GetStatisticsResponses, GiveFeedbackData, GiveFeedbackErrors, GiveFeedbackResponses, ImportPageData, ImportPageErrors, ImportPageResponses, ListAttributesData, ListAttributesErrors, ListAttributesResponses, ListBackupsData, ListBackupsErrors, ListBackupsResponses, ListCollectionsData, ListCollectionsErrors, ListCollectionsResponses, ListDocumentsData, ListDocumentsErrors, ListDocumentsResponses, ListEvaluationsData, ListEvaluationsErrors, ListEvaluationsResponses, ListGenerationsData, ListGenerationsErrors, ListGenerationsResponses, ListGoldenData, ListGoldenErrors, ListGoldenResponses, ListJobsData, ListJobsErrors, ListJobsResponses, ListKeysData, ListKeysErrors, ListKeysResponses, ListQueriesData, ListQueriesErrors, ListQueriesResponses, ListQuestionsData, ListQuestionsErrors, ListQuestionsResponses, PostDocumentsData, PostDocumentsErrors, PostDocumentsResponses, PutDocumentData, PutDocumentErrors, PutDocumentResponses, RemoveBackupData, RemoveBackupErrors, RemoveBackupResponses, RemoveEvaluationData, RemoveEvaluationErrors, RemoveEvaluationResponses, RemoveGenerationData, RemoveGenerationErrors, RemoveGenerationResponses, RemoveGoldenData, RemoveGoldenErrors, RemoveGoldenResponses, RerankData, RerankErrors, RerankResponses, RetryDocumentsData, RetryDocumentsErrors, RetryDocumentsResponses, RevokeKeyData, RevokeKeyErrors, RevokeKeyResponses, RollBackDocumentData, RollBackDocumentErrors, RollBackDocumentResponses, RollBackGenerationData, RollBackGenerationErrors, RollBackGenerationResponses, SearchData, SearchErrors, SearchResponses, ShowMetricsData, ShowMetricsResponses, StartBackupData, StartBackupErrors, StartBackupResponses, StartEvaluationData, StartEvaluationErrors, StartEvaluationResponses, StartReparseData, StartReparseErrors, StartReparseResponses, SuggestGoldenData, SuggestGoldenErrors, SuggestGoldenResponses, WelcomeData, WelcomeResponses } from './types.gen.js';
export type Options<TData extends TDataShape = TDataShape, ThrowOnError extends boolean = boolean, TResponse = unknown> = Options2<TData, ThrowOnError, TResponse> & {
    /**
     * You can provide a client instance returned by `createClient()` instead of
     * individual options. This might be also useful if you want to implement a
     * custom client.
     */
    client?: Client;
    /**
     * You can pass arbitrary values through the `meta` object. This can be
     * used to access values that aren't defined as part of the SDK function.
     */
    meta?: Record<string, unknown>;
};
/**
 * Welcome
 *
 * Say what this is and where to go.
 */
export declare const welcome: <ThrowOnError extends boolean = false>(options?: Options<WelcomeData, ThrowOnError>) => import("./client/types.gen.js").RequestResult<WelcomeResponses, unknown, ThrowOnError, "fields">;
/**
 * Check Health
 *
 * Answer as long as the process lives.
 */
export declare const checkHealth: <ThrowOnError extends boolean = false>(options?: Options<CheckHealthData, ThrowOnError>) => import("./client/types.gen.js").RequestResult<CheckHealthResponses, unknown, ThrowOnError, "fields">;
/**
 * Check Readiness
 *
 * Answer 200 once questions can be answered, 503 with the reason until then.
 */
export declare const checkReadiness: <ThrowOnError extends boolean = false>(options?: Options<CheckReadinessData, ThrowOnError>) => import("./client/types.gen.js").RequestResult<CheckReadinessResponses, CheckReadinessErrors, ThrowOnError, "fields">;
/**
 * Show Metrics
 *
 * Show counters and histograms in Prometheus' text format.
 */
export declare const showMetrics: <ThrowOnError extends boolean = false>(options?: Options<ShowMetricsData, ThrowOnError>) => import("./client/types.gen.js").RequestResult<ShowMetricsResponses, unknown, ThrowOnError, "fields">;
/**
 * List Collections
 *
 * List the collections that the key covers.
 */
export declare const listCollections: <ThrowOnError extends boolean = false>(options?: Options<ListCollectionsData, ThrowOnError>) => import("./client/types.gen.js").RequestResult<ListCollectionsResponses, ListCollectionsErrors, ThrowOnError, "fields">;
/**
 * Create Collection
 *
 * Make a collection.
 */
export declare const createCollection: <ThrowOnError extends boolean = false>(options: Options<CreateCollectionData, ThrowOnError>) => import("./client/types.gen.js").RequestResult<CreateCollectionResponses, CreateCollectionErrors, ThrowOnError, "fields">;
/**
 * Delete Collection
 *
 * Erase a collection with all its documents.
 *
 * It is gone, and its name free, when this answers; what is left of a large one is erased after.
 */
export declare const deleteCollection: <ThrowOnError extends boolean = false>(options: Options<DeleteCollectionData, ThrowOnError>) => import("./client/types.gen.js").RequestResult<DeleteCollectionResponses, DeleteCollectionErrors, ThrowOnError, "fields">;
/**
 * Get Collection
 *
 * Show a collection and how many of its documents stand at each status.
 */
export declare const getCollection: <ThrowOnError extends boolean = false>(options: Options<GetCollectionData, ThrowOnError>) => import("./client/types.gen.js").RequestResult<GetCollectionResponses, GetCollectionErrors, ThrowOnError, "fields">;
/**
 * Change Collection
 *
 * Change the description of a collection.
 */
export declare const changeCollection: <ThrowOnError extends boolean = false>(options: Options<ChangeCollectionData, ThrowOnError>) => import("./client/types.gen.js").RequestResult<ChangeCollectionResponses, ChangeCollectionErrors, ThrowOnError, "fields">;
/**
 * Get Statistics
 *
 * Show what the articles of a collection come to: bytes, tokens, languages; what failed, why.
 *
 * All its receipts are read for it, about 5 ms for a thousand articles, where anything changed.
 */
export declare const getStatistics: <ThrowOnError extends boolean = false>(options: Options<GetStatisticsData, ThrowOnError>) => import("./client/types.gen.js").RequestResult<GetStatisticsResponses, GetStatisticsErrors, ThrowOnError, "fields">;
/**
 * List Attributes
 *
 * List the names that filters and facets know: the attributes of the latest 200 documents.
 */
export declare const listAttributes: <ThrowOnError extends boolean = false>(options: Options<ListAttributesData, ThrowOnError>) => import("./client/types.gen.js").RequestResult<ListAttributesResponses, ListAttributesErrors, ThrowOnError, "fields">;
/**
 * List Documents
 *
 * List documents in the order of their ids, or in another one.
 *
 * `cursor` goes on where a page ended, whatever came and went meanwhile; `offset` counts.
 */
export declare const listDocuments: <ThrowOnError extends boolean = false>(options: Options<ListDocumentsData, ThrowOnError>) => import("./client/types.gen.js").RequestResult<ListDocumentsResponses, ListDocumentsErrors, ThrowOnError, "fields">;
/**
 * Post Documents
 *
 * Upload several articles: a JSON batch, or files, whose names are their ids unless given.
 *
 * 200 when nothing is left to do, 202 when a document is queued: stored, and searchable later.
 */
export declare const postDocuments: <ThrowOnError extends boolean = false>(options: Options<PostDocumentsData, ThrowOnError>) => import("./client/types.gen.js").RequestResult<PostDocumentsResponses, PostDocumentsErrors, ThrowOnError, "fields">;
/**
 * Delete Document
 *
 * Erase a document: text, vectors, versions and originals.
 */
export declare const deleteDocument: <ThrowOnError extends boolean = false>(options: Options<DeleteDocumentData, ThrowOnError>) => import("./client/types.gen.js").RequestResult<DeleteDocumentResponses, DeleteDocumentErrors, ThrowOnError, "fields">;
/**
 * Get Document
 *
 * Show a document; `include` adds its `text`, its `versions`, or both.
 */
export declare const getDocument: <ThrowOnError extends boolean = false>(options: Options<GetDocumentData, ThrowOnError>) => import("./client/types.gen.js").RequestResult<GetDocumentResponses, GetDocumentErrors, ThrowOnError, "fields">;
/**
 * Change Document
 *
 * Change title, url or attributes, without uploading the article again.
 *
 * 200 when it has changed, 202 when a new version is queued, which a new title needs.
 */
export declare const changeDocument: <ThrowOnError extends boolean = false>(options: Options<ChangeDocumentData, ThrowOnError>) => import("./client/types.gen.js").RequestResult<ChangeDocumentResponses, ChangeDocumentErrors, ThrowOnError, "fields">;
/**
 * Put Document
 *
 * Upload an article under its id.
 *
 * 200 when nothing is left to do, 202 when it is queued: stored, and searchable later.
 */
export declare const putDocument: <ThrowOnError extends boolean = false>(options: Options<PutDocumentData, ThrowOnError>) => import("./client/types.gen.js").RequestResult<PutDocumentResponses, PutDocumentErrors, ThrowOnError, "fields">;
/**
 * Delete Documents
 *
 * Erase the documents that meet a filter; without `confirm_count` only count them.
 *
 * 409 when their number is another one by now: nothing is erased then. Documents that no search
 * finds yet are not among them.
 */
export declare const deleteDocuments: <ThrowOnError extends boolean = false>(options: Options<DeleteDocumentsData, ThrowOnError>) => import("./client/types.gen.js").RequestResult<DeleteDocumentsResponses, DeleteDocumentsErrors, ThrowOnError, "fields">;
/**
 * Roll Back Document
 *
 * Upload an earlier version once more: it becomes the newest, and live when it is ready.
 */
export declare const rollBackDocument: <ThrowOnError extends boolean = false>(options: Options<RollBackDocumentData, ThrowOnError>) => import("./client/types.gen.js").RequestResult<RollBackDocumentResponses, RollBackDocumentErrors, ThrowOnError, "fields">;
/**
 * Show Jobs
 *
 * List the uploads of a collection, newest first.
 */
export declare const listJobs: <ThrowOnError extends boolean = false>(options: Options<ListJobsData, ThrowOnError>) => import("./client/types.gen.js").RequestResult<ListJobsResponses, ListJobsErrors, ThrowOnError, "fields">;
/**
 * Try Again
 *
 * Read documents again whose latest upload failed; the answer is a job of its own.
 */
export declare const retryDocuments: <ThrowOnError extends boolean = false>(options: Options<RetryDocumentsData, ThrowOnError>) => import("./client/types.gen.js").RequestResult<RetryDocumentsResponses, RetryDocumentsErrors, ThrowOnError, "fields">;
/**
 * End Job
 *
 * End what of a job is not ready yet: it fails as `cancelled`, and can be tried again.
 */
export declare const cancelJob: <ThrowOnError extends boolean = false>(options: Options<CancelJobData, ThrowOnError>) => import("./client/types.gen.js").RequestResult<CancelJobResponses, CancelJobErrors, ThrowOnError, "fields">;
/**
 * Show Job
 *
 * Show how far the documents of an upload are.
 */
export declare const getJob: <ThrowOnError extends boolean = false>(options: Options<GetJobData, ThrowOnError>) => import("./client/types.gen.js").RequestResult<GetJobResponses, GetJobErrors, ThrowOnError, "fields">;
/**
 * Follow Job
 *
 * Send how far a job is, as server-sent events.
 *
 * The stream ends after `done`, or after a few seconds: a client then connects again.
 */
export declare const followJob: <ThrowOnError extends boolean = false>(options: Options<FollowJobData, ThrowOnError, FollowJobResponse>) => Promise<import("./core/serverSentEvents.gen.js").ServerSentEventsResult<FollowJobResponses, FollowJobErrors>>;
/**
 * Download Original
 *
 * Return the file that a document was read from.
 */
export declare const getOriginal: <ThrowOnError extends boolean = false>(options: Options<GetOriginalData, ThrowOnError>) => import("./client/types.gen.js").RequestResult<GetOriginalResponses, GetOriginalErrors, ThrowOnError, "fields">;
/**
 * Search Collection
 *
 * Rank the articles of a collection for a question, each with its best passages.
 */
export declare const search: <ThrowOnError extends boolean = false>(options: Options<SearchData, ThrowOnError>) => import("./client/types.gen.js").RequestResult<SearchResponses, SearchErrors, ThrowOnError, "fields">;
/**
 * Get Context
 *
 * Give what answers a question, for a prompt: whole articles where they fit, else passages.
 */
export declare const getContext: <ThrowOnError extends boolean = false>(options: Options<GetContextData, ThrowOnError>) => import("./client/types.gen.js").RequestResult<GetContextResponses, GetContextErrors, ThrowOnError, "fields">;
/**
 * Explain
 *
 * Say where a document stands for a question, and why.
 */
export declare const explain: <ThrowOnError extends boolean = false>(options: Options<ExplainData, ThrowOnError>) => import("./client/types.gen.js").RequestResult<ExplainResponses, ExplainErrors, ThrowOnError, "fields">;
/**
 * Rerank
 *
 * Rank given texts for a question, in the shape of Jina's and Cohere's interfaces.
 */
export declare const rerank: <ThrowOnError extends boolean = false>(options: Options<RerankData, ThrowOnError>) => import("./client/types.gen.js").RequestResult<RerankResponses, RerankErrors, ThrowOnError, "fields">;
/**
 * List Keys
 *
 * List all keys, without their secrets.
 */
export declare const listKeys: <ThrowOnError extends boolean = false>(options?: Options<ListKeysData, ThrowOnError>) => import("./client/types.gen.js").RequestResult<ListKeysResponses, ListKeysErrors, ThrowOnError, "fields">;
/**
 * Create Key
 *
 * Make a key; its token is in this answer and nowhere else.
 */
export declare const createKey: <ThrowOnError extends boolean = false>(options: Options<CreateKeyData, ThrowOnError>) => import("./client/types.gen.js").RequestResult<CreateKeyResponses, CreateKeyErrors, ThrowOnError, "fields">;
/**
 * Revoke Key
 *
 * Revoke a key; the next request with it is refused.
 */
export declare const revokeKey: <ThrowOnError extends boolean = false>(options: Options<RevokeKeyData, ThrowOnError>) => import("./client/types.gen.js").RequestResult<RevokeKeyResponses, RevokeKeyErrors, ThrowOnError, "fields">;
/**
 * List Backups
 *
 * List the backups that lie on the server, and the one that is being made or failed last.
 */
export declare const listBackups: <ThrowOnError extends boolean = false>(options?: Options<ListBackupsData, ThrowOnError>) => import("./client/types.gen.js").RequestResult<ListBackupsResponses, ListBackupsErrors, ThrowOnError, "fields">;
/**
 * Start Backup
 *
 * Copy the data folder into one file on the server, in the background.
 */
export declare const startBackup: <ThrowOnError extends boolean = false>(options: Options<StartBackupData, ThrowOnError>) => import("./client/types.gen.js").RequestResult<StartBackupResponses, StartBackupErrors, ThrowOnError, "fields">;
/**
 * Remove Backup
 *
 * Erase a backup; answers what it was.
 */
export declare const removeBackup: <ThrowOnError extends boolean = false>(options: Options<RemoveBackupData, ThrowOnError>) => import("./client/types.gen.js").RequestResult<RemoveBackupResponses, RemoveBackupErrors, ThrowOnError, "fields">;
/**
 * Get Backup
 *
 * Show a backup: `state` says whether it is ready.
 */
export declare const getBackup: <ThrowOnError extends boolean = false>(options: Options<GetBackupData, ThrowOnError>) => import("./client/types.gen.js").RequestResult<GetBackupResponses, GetBackupErrors, ThrowOnError, "fields">;
/**
 * Get Calibration
 *
 * Show what was measured of a collection's scores.
 */
export declare const getCalibration: <ThrowOnError extends boolean = false>(options: Options<GetCalibrationData, ThrowOnError>) => import("./client/types.gen.js").RequestResult<GetCalibrationResponses, GetCalibrationErrors, ThrowOnError, "fields">;
/**
 * Calibrate
 *
 * Measure in the background what scores mean, with questions whose answers are known.
 */
export declare const calibrate: <ThrowOnError extends boolean = false>(options: Options<CalibrateData, ThrowOnError>) => import("./client/types.gen.js").RequestResult<CalibrateResponses, CalibrateErrors, ThrowOnError, "fields">;
/**
 * List Evaluations
 *
 * List evaluations with their main figures, newest first.
 */
export declare const listEvaluations: <ThrowOnError extends boolean = false>(options?: Options<ListEvaluationsData, ThrowOnError>) => import("./client/types.gen.js").RequestResult<ListEvaluationsResponses, ListEvaluationsErrors, ThrowOnError, "fields">;
/**
 * Start Evaluation
 *
 * Ask a golden set in the background.
 */
export declare const startEvaluation: <ThrowOnError extends boolean = false>(options: Options<StartEvaluationData, ThrowOnError>) => import("./client/types.gen.js").RequestResult<StartEvaluationResponses, StartEvaluationErrors, ThrowOnError, "fields">;
/**
 * Remove Evaluation
 *
 * Erase an evaluation.
 */
export declare const removeEvaluation: <ThrowOnError extends boolean = false>(options: Options<RemoveEvaluationData, ThrowOnError>) => import("./client/types.gen.js").RequestResult<RemoveEvaluationResponses, RemoveEvaluationErrors, ThrowOnError, "fields">;
/**
 * Get Evaluation
 *
 * Show where an evaluation stands and, once it is done, its figures by query.
 */
export declare const getEvaluation: <ThrowOnError extends boolean = false>(options: Options<GetEvaluationData, ThrowOnError>) => import("./client/types.gen.js").RequestResult<GetEvaluationResponses, GetEvaluationErrors, ThrowOnError, "fields">;
/**
 * List Generations
 *
 * List the generations of vectors, the oldest first.
 */
export declare const listGenerations: <ThrowOnError extends boolean = false>(options?: Options<ListGenerationsData, ThrowOnError>) => import("./client/types.gen.js").RequestResult<ListGenerationsResponses, ListGenerationsErrors, ThrowOnError, "fields">;
/**
 * Create Generation
 *
 * Embed every article with another model beside the live one, and switch if it is no worse.
 */
export declare const createGeneration: <ThrowOnError extends boolean = false>(options: Options<CreateGenerationData, ThrowOnError>) => import("./client/types.gen.js").RequestResult<CreateGenerationResponses, CreateGenerationErrors, ThrowOnError, "fields">;
/**
 * Create Tuning
 *
 * Fine-tune the model's query adapter in the background, and switch to it if it is no worse.
 */
export declare const createTuning: <ThrowOnError extends boolean = false>(options: Options<CreateTuningData, ThrowOnError>) => import("./client/types.gen.js").RequestResult<CreateTuningResponses, CreateTuningErrors, ThrowOnError, "fields">;
/**
 * Remove Generation
 *
 * Erase a generation that is not live.
 */
export declare const removeGeneration: <ThrowOnError extends boolean = false>(options: Options<RemoveGenerationData, ThrowOnError>) => import("./client/types.gen.js").RequestResult<RemoveGenerationResponses, RemoveGenerationErrors, ThrowOnError, "fields">;
/**
 * Get Generation
 *
 * Show a generation: how far it is, and what its gate said.
 */
export declare const getGeneration: <ThrowOnError extends boolean = false>(options: Options<GetGenerationData, ThrowOnError>) => import("./client/types.gen.js").RequestResult<GetGenerationResponses, GetGenerationErrors, ThrowOnError, "fields">;
/**
 * Roll Back Generation
 *
 * Let a complete generation answer at once, without a measurement.
 */
export declare const rollBackGeneration: <ThrowOnError extends boolean = false>(options: Options<RollBackGenerationData, ThrowOnError>) => import("./client/types.gen.js").RequestResult<RollBackGenerationResponses, RollBackGenerationErrors, ThrowOnError, "fields">;
/**
 * Check Article
 *
 * Say what an article would do to the answers, without uploading it.
 */
export declare const checkArticle: <ThrowOnError extends boolean = false>(options: Options<CheckArticleData, ThrowOnError>) => import("./client/types.gen.js").RequestResult<CheckArticleResponses, CheckArticleErrors, ThrowOnError, "fields">;
/**
 * Import Page
 *
 * Fetch a web page and upload it; nothing is stored of one that cannot be fetched.
 *
 * 200 when nothing is left to do, 202 when it is queued: stored, and searchable later.
 */
export declare const importPage: <ThrowOnError extends boolean = false>(options: Options<ImportPageData, ThrowOnError>) => import("./client/types.gen.js").RequestResult<ImportPageResponses, ImportPageErrors, ThrowOnError, "fields">;
/**
 * Start Reparse
 *
 * Read all documents of a collection anew from their uploads, in the background.
 */
export declare const startReparse: <ThrowOnError extends boolean = false>(options: Options<StartReparseData, ThrowOnError>) => import("./client/types.gen.js").RequestResult<StartReparseResponses, StartReparseErrors, ThrowOnError, "fields">;
/**
 * Get Reparse
 *
 * Show what a reparse has found so far.
 */
export declare const getReparse: <ThrowOnError extends boolean = false>(options: Options<GetReparseData, ThrowOnError>) => import("./client/types.gen.js").RequestResult<GetReparseResponses, GetReparseErrors, ThrowOnError, "fields">;
/**
 * Give Feedback
 *
 * Say whether the answer to a search was helpful, or which document was right.
 *
 * A key has one vote for each answer: what it says later takes the place of what it said before.
 */
export declare const giveFeedback: <ThrowOnError extends boolean = false>(options: Options<GiveFeedbackData, ThrowOnError>) => import("./client/types.gen.js").RequestResult<GiveFeedbackResponses, GiveFeedbackErrors, ThrowOnError, "fields">;
/**
 * Get Gaps
 *
 * Return the subjects of questions that found nothing good, the most asked first.
 */
export declare const getGaps: <ThrowOnError extends boolean = false>(options: Options<GetGapsData, ThrowOnError>) => import("./client/types.gen.js").RequestResult<GetGapsResponses, GetGapsErrors, ThrowOnError, "fields">;
/**
 * List Questions
 *
 * Return the latest questions of the query log that found a document, with feedback.
 */
export declare const listQuestions: <ThrowOnError extends boolean = false>(options: Options<ListQuestionsData, ThrowOnError>) => import("./client/types.gen.js").RequestResult<ListQuestionsResponses, ListQuestionsErrors, ThrowOnError, "fields">;
/**
 * Erase Queries
 *
 * Erase the logged questions of a collection with their feedback.
 */
export declare const eraseQueries: <ThrowOnError extends boolean = false>(options: Options<EraseQueriesData, ThrowOnError>) => import("./client/types.gen.js").RequestResult<EraseQueriesResponses, EraseQueriesErrors, ThrowOnError, "fields">;
/**
 * List Queries
 *
 * List the query log of a collection, newest first, with what people said of the answers.
 */
export declare const listQueries: <ThrowOnError extends boolean = false>(options: Options<ListQueriesData, ThrowOnError>) => import("./client/types.gen.js").RequestResult<ListQueriesResponses, ListQueriesErrors, ThrowOnError, "fields">;
/**
 * List Golden
 *
 * Return the golden set of a collection, a page of it.
 */
export declare const listGolden: <ThrowOnError extends boolean = false>(options: Options<ListGoldenData, ThrowOnError>) => import("./client/types.gen.js").RequestResult<ListGoldenResponses, ListGoldenErrors, ThrowOnError, "fields">;
/**
 * Add Golden
 *
 * Add questions to the golden set, all or none; one that is there gets these documents.
 */
export declare const addGolden: <ThrowOnError extends boolean = false>(options: Options<AddGoldenData, ThrowOnError>) => import("./client/types.gen.js").RequestResult<AddGoldenResponses, AddGoldenErrors, ThrowOnError, "fields">;
/**
 * Suggest Golden
 *
 * Return what feedback says of questions that are not in the golden set; values count votes.
 */
export declare const suggestGolden: <ThrowOnError extends boolean = false>(options: Options<SuggestGoldenData, ThrowOnError>) => import("./client/types.gen.js").RequestResult<SuggestGoldenResponses, SuggestGoldenErrors, ThrowOnError, "fields">;
/**
 * Remove Golden
 *
 * Take a question out of the golden set.
 */
export declare const removeGolden: <ThrowOnError extends boolean = false>(options: Options<RemoveGoldenData, ThrowOnError>) => import("./client/types.gen.js").RequestResult<RemoveGoldenResponses, RemoveGoldenErrors, ThrowOnError, "fields">;
/**
 * Change Golden
 *
 * Give a question of the golden set another text and other documents.
 */
export declare const changeGolden: <ThrowOnError extends boolean = false>(options: Options<ChangeGoldenData, ThrowOnError>) => import("./client/types.gen.js").RequestResult<ChangeGoldenResponses, ChangeGoldenErrors, ThrowOnError, "fields">;
