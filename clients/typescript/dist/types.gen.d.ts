export type ClientOptions = {
    baseUrl: `${string}://${string}` | (string & {});
};
/**
 * TuningIn
 *
 * What a query adapter is to learn from, and what must hold before it answers.
 */
export type TuningIn = {
    /**
     * Collection
     *
     * Where the golden set was made.
     */
    collection: string;
    /**
     * Queries
     *
     * Questions with the documents that answer them.
     */
    queries?: Array<GoldenQueryIn>;
    /**
     * Feedback
     *
     * Learn also from what people said of results
     */
    feedback?: boolean;
    /**
     * Gate
     *
     * None: a third of `queries`, which is not learned
     */
    gate?: Array<GoldenQueryIn>;
    /**
     * Margin
     *
     * How much nDCG@10 may fall, at the lower end of its 95% interval.
     */
    margin?: number;
    /**
     * Force
     *
     * Switch even if the gate fails.
     */
    force?: boolean;
};
/**
 * GoldenQueryIn
 */
export type GoldenQueryIn = {
    /**
     * Id
     *
     * Null: its number.
     */
    id?: string | null;
    /**
     * Query
     *
     * A question as people ask it.
     */
    query: string;
    /**
     * Relevant
     *
     * Ids, or grades by id
     */
    relevant: {
        [key: string]: number;
    } | Array<string>;
};
/**
 * TextFilterIn
 */
export type TextFilterIn = {
    /**
     * Type
     *
     * What the attribute holds, letter for letter; of a list one of its values.
     */
    type: 'contains' | 'not_contains' | 'starts_with' | 'ends_with';
    /**
     * Key
     *
     * An attribute, or $id, $url, $media_type, $language (ISO 639-1, as detected unless an attribute of this name was given), or in ISO 8601 $created_at (first uploaded) and $updated_at (the version that answers was ready)
     */
    key: string;
    /**
     * Value
     *
     * What to look for.
     */
    value: string;
};
/**
 * NegationIn
 */
export type NegationIn = {
    /**
     * Type
     *
     * Whether a filter does not hold.
     */
    type: 'not';
    /**
     * Filter
     *
     * What must not hold.
     */
    filter: ({
        type: 'eq' | 'gt' | 'gte' | 'lt' | 'lte' | 'ne';
    } & ComparisonIn) | ({
        type: 'in' | 'nin';
    } & MembershipIn) | ({
        type: 'contains' | 'ends_with' | 'not_contains' | 'starts_with';
    } & TextFilterIn) | ({
        type: 'exists';
    } & ExistenceIn) | ({
        type: 'and' | 'or';
    } & CompoundIn) | ({
        type: 'not';
    } & NegationIn);
};
/**
 * CompoundIn
 */
export type CompoundIn = {
    /**
     * Type
     *
     * Whether all filters must hold, or one.
     */
    type: 'and' | 'or';
    /**
     * Filters
     *
     * What must hold.
     */
    filters: Array<({
        type: 'eq' | 'gt' | 'gte' | 'lt' | 'lte' | 'ne';
    } & ComparisonIn) | ({
        type: 'in' | 'nin';
    } & MembershipIn) | ({
        type: 'contains' | 'ends_with' | 'not_contains' | 'starts_with';
    } & TextFilterIn) | ({
        type: 'exists';
    } & ExistenceIn) | ({
        type: 'and' | 'or';
    } & CompoundIn) | ({
        type: 'not';
    } & NegationIn)>;
};
/**
 * ExistenceIn
 */
export type ExistenceIn = {
    /**
     * Type
     *
     * Whether the document has the attribute at all.
     */
    type: 'exists';
    /**
     * Key
     *
     * An attribute, or $id, $url, $media_type, $language (ISO 639-1, as detected unless an attribute of this name was given), or in ISO 8601 $created_at (first uploaded) and $updated_at (the version that answers was ready)
     */
    key: string;
    /**
     * Value
     *
     * False: whether it has not.
     */
    value?: boolean;
};
/**
 * MembershipIn
 */
export type MembershipIn = {
    /**
     * Type
     *
     * Whether the attribute is one of the values, or none of them.
     */
    type: 'in' | 'nin';
    /**
     * Key
     *
     * An attribute, or $id, $url, $media_type, $language (ISO 639-1, as detected unless an attribute of this name was given), or in ISO 8601 $created_at (first uploaded) and $updated_at (the version that answers was ready)
     */
    key: string;
    /**
     * Value
     *
     * What to look for; of no values nothing is one, and everything is none.
     */
    value: Array<boolean | number | number | string>;
};
/**
 * ComparisonIn
 */
export type ComparisonIn = {
    /**
     * Type
     *
     * How the attribute compares with `value`; a list compares if one of its values does.
     */
    type: 'eq' | 'ne' | 'gt' | 'gte' | 'lt' | 'lte';
    /**
     * Key
     *
     * An attribute, or $id, $url, $media_type, $language (ISO 639-1, as detected unless an attribute of this name was given), or in ISO 8601 $created_at (first uploaded) and $updated_at (the version that answers was ready)
     */
    key: string;
    /**
     * Value
     *
     * What to compare with.
     */
    value: boolean | number | number | string;
};
/**
 * SearchIn
 */
export type SearchIn = {
    /**
     * Query
     *
     * The question, as a person would ask it.
     */
    query: string;
    /**
     * Messages
     *
     * The conversation before the question, in OpenAI's shape, oldest first.
     */
    messages?: Array<MessageIn>;
    /**
     * Limit
     *
     * How many articles to answer with.
     */
    limit?: number;
    /**
     * Offset
     *
     * How many of the best articles to pass over, down to the 1,000th; 0 for the first page.
     *
     * Pages are parts of one list. Without it fewer articles are looked at: those near the top.
     */
    offset?: number | null;
    /**
     * Facets
     *
     * Attributes to count: how many of the articles that match have each value.
     */
    facets?: Array<string>;
    /**
     * Filters
     *
     * Which documents may answer.
     */
    filters?: ({
        type: 'eq' | 'gt' | 'gte' | 'lt' | 'lte' | 'ne';
    } & ComparisonIn) | ({
        type: 'in' | 'nin';
    } & MembershipIn) | ({
        type: 'contains' | 'ends_with' | 'not_contains' | 'starts_with';
    } & TextFilterIn) | ({
        type: 'exists';
    } & ExistenceIn) | ({
        type: 'and' | 'or';
    } & CompoundIn) | ({
        type: 'not';
    } & NegationIn) | null;
    /**
     * Min Score
     *
     * Leave out articles that score less.
     */
    min_score?: number | null;
    /**
     * Passages
     *
     * How many passages to quote from each article.
     */
    passages?: number;
    /**
     * `dense` by meaning, `lexical` by the words themselves, `hybrid` by both.
     */
    mode?: Mode;
    /**
     * Dimensions
     *
     * Compare only the first ones of each vector
     */
    dimensions?: number | null;
    /**
     * Generation
     *
     * Ask this generation of vectors instead of the live one
     */
    generation?: number | null;
    /**
     * Also In
     *
     * Further collections to search together with this one
     */
    also_in?: Array<string>;
    /**
     * Collapse
     *
     * Whether articles that say the same become one, which names the others.
     */
    collapse?: boolean;
    /**
     * Rerank
     *
     * Rank the first ones again by the tokens of their best passages
     */
    rerank?: boolean;
};
/**
 * Mode
 *
 * How articles are found: by meaning, by words, or by both.
 */
export type Mode = 'dense' | 'lexical' | 'hybrid';
/**
 * MessageIn
 *
 * One turn of a conversation.
 */
export type MessageIn = {
    /**
     * Role
     *
     * Who said it.
     */
    role: 'user' | 'assistant' | 'system' | 'developer' | 'tool';
    /**
     * Content
     *
     * What was said; null where a turn only calls tools.
     */
    content?: string | null;
};
/**
 * RollbackIn
 */
export type RollbackIn = {
    /**
     * Document Id
     *
     * The document to roll back.
     */
    document_id: string;
    /**
     * Version
     *
     * The version to upload once more.
     */
    version: number;
};
/**
 * RetryIn
 */
export type RetryIn = {
    /**
     * Document Ids
     *
     * The documents to try again; null for all whose latest upload failed.
     */
    document_ids?: Array<string> | null;
};
/**
 * RerankText
 */
export type RerankText = {
    /**
     * Text
     *
     * What to rank.
     */
    text: string;
};
/**
 * RerankIn
 *
 * Fields that are not known are ignored, and so is `model`: there is one.
 */
export type RerankIn = {
    /**
     * Model
     *
     * Ignored: there is one.
     */
    model?: string | null;
    /**
     * Query
     *
     * The question to rank for.
     */
    query: string;
    /**
     * Documents
     *
     * What to rank.
     */
    documents: Array<string | RerankText>;
    /**
     * Top N
     *
     * How many to answer with; null: all.
     */
    top_n?: number | null;
    /**
     * Return Documents
     *
     * Whether to repeat the texts.
     */
    return_documents?: boolean;
};
/**
 * ReparseIn
 */
export type ReparseIn = {
    /**
     * Apply
     *
     * Make new versions of what reads differently; else only report.
     */
    apply?: boolean;
    /**
     * Queries
     *
     * A golden set, asked as it is and as it would be. Not asked when `apply` is set.
     */
    queries?: Array<GoldenQueryIn>;
};
/**
 * Problem
 *
 * What went wrong, in words for people (`detail`) and for programs (`code`).
 */
export type Problem = {
    /**
     * Type
     *
     * Always `about:blank`: `code` tells problems apart.
     */
    type?: string;
    /**
     * Title
     *
     * The phrase of the HTTP status.
     */
    title: string;
    /**
     * Status
     *
     * The HTTP status.
     */
    status: number;
    /**
     * Detail
     *
     * One sentence for people.
     */
    detail: string;
    /**
     * Code
     *
     * Stable, for programs; docs/reference lists them.
     */
    code: string;
    /**
     * Errors
     *
     * The fields that are wrong, where that is the problem.
     */
    errors?: Array<InvalidField> | null;
};
/**
 * InvalidField
 *
 * A field of the request that is not as it must be.
 */
export type InvalidField = {
    /**
     * Field
     *
     * Where in the request it is.
     */
    field: string;
    /**
     * Message
     *
     * What is wrong with it.
     */
    message: string;
};
/**
 * PreflightIn
 */
export type PreflightIn = {
    /**
     * Id
     *
     * Under which it would be uploaded.
     */
    id: string;
    /**
     * Data
     *
     * The file, in base64
     */
    data: string;
    /**
     * Filename
     *
     * Tells the format where `media_type` does not.
     */
    filename?: string;
    /**
     * Media Type
     *
     * Empty: told by the content and the name.
     */
    media_type?: string;
    /**
     * Title
     *
     * As in an upload.
     */
    title?: string | null;
    /**
     * Url
     *
     * As in an upload.
     */
    url?: string | null;
    /**
     * Attributes
     *
     * As in an upload.
     */
    attributes?: {
        [key: string]: boolean | number | number | string | Array<boolean | number | number | string>;
    } | null;
    /**
     * Queries
     *
     * A golden set to ask before and after.
     */
    queries?: Array<GoldenQueryIn>;
};
/**
 * NamedDocumentIn
 *
 * An article with its id.
 */
export type NamedDocumentIn = {
    /**
     * Text
     *
     * The article as plain text.
     */
    text?: string | null;
    /**
     * Html
     *
     * The article as HTML.
     */
    html?: string | null;
    /**
     * Markdown
     *
     * The article as Markdown.
     */
    markdown?: string | null;
    /**
     * Title
     *
     * Null: the first heading, if there is one.
     */
    title?: string | null;
    /**
     * Url
     *
     * Where people read it; comes back with every hit.
     */
    url?: string | null;
    /**
     * Attributes
     *
     * What filters look at: names with a value or a list of values.
     */
    attributes?: {
        [key: string]: boolean | number | number | string | Array<boolean | number | number | string>;
    } | null;
    /**
     * Id
     *
     * The caller's own id; may hold slashes.
     */
    id: string;
};
/**
 * LabelledQueryIn
 *
 * A question whose answer, or that it has none, is known.
 */
export type LabelledQueryIn = {
    /**
     * Id
     *
     * Null: its number.
     */
    id?: string | null;
    /**
     * Query
     *
     * A question as people ask it.
     */
    query: string;
    /**
     * Relevant
     *
     * Ids, or grades by id; empty: nothing answers it
     */
    relevant: {
        [key: string]: number;
    } | Array<string>;
};
/**
 * KeyIn
 */
export type KeyIn = {
    /**
     * Name
     *
     * For people.
     */
    name?: string;
    /**
     * What it may do; each scope includes the ones before it.
     */
    scope?: Scope;
    /**
     * Collections
     *
     * None: all of them
     */
    collections?: Array<string> | null;
    /**
     * Expires At
     *
     * Null: never.
     */
    expires_at?: string | null;
};
/**
 * Scope
 *
 * What a key may do; each scope includes the ones before it.
 */
export type Scope = 'read' | 'write' | 'admin';
/**
 * KeptQueryIn
 *
 * A question of a collection's golden set.
 */
export type KeptQueryIn = {
    /**
     * Query
     *
     * A question as people ask it.
     */
    query: string;
    /**
     * Relevant
     *
     * Ids, or grades by id; empty: nothing answers it
     */
    relevant: {
        [key: string]: number;
    } | Array<string>;
};
/**
 * KeptQueriesIn
 */
export type KeptQueriesIn = {
    /**
     * Queries
     *
     * To be added; one that is there gets these documents.
     */
    queries: Array<KeptQueryIn>;
};
/**
 * ImportIn
 */
export type ImportIn = {
    /**
     * Url
     *
     * The page: http or https, on the public internet or in a network that the operator named.
     */
    url: string;
    /**
     * Id
     *
     * Null: host, path and query of `url`.
     */
    id?: string | null;
    /**
     * Title
     *
     * Null: the page's own.
     */
    title?: string | null;
    /**
     * Attributes
     *
     * As in an upload.
     */
    attributes?: {
        [key: string]: boolean | number | number | string | Array<boolean | number | number | string>;
    } | null;
};
/**
 * GenerationIn
 *
 * A model to embed every article with, and what must hold before it answers.
 */
export type GenerationIn = {
    /**
     * Model
     *
     * None: the one that answers now
     */
    model?: string | null;
    /**
     * Revision
     *
     * Commit of a Hugging Face checkpoint.
     */
    revision?: string;
    /**
     * Dimensions
     *
     * Cut Matryoshka vectors to so many; null keeps all.
     */
    dimensions?: number | null;
    /**
     * Collection
     *
     * Where the gate asks its queries.
     */
    collection?: string | null;
    /**
     * Queries
     *
     * The golden set of the gate.
     */
    queries?: Array<GoldenQueryIn>;
    /**
     * Margin
     *
     * How much nDCG@10 may fall, at the lower end of its 95% interval.
     */
    margin?: number;
    /**
     * Force
     *
     * Switch even if the gate fails.
     */
    force?: boolean;
};
/**
 * FeedbackIn
 *
 * Whether an answer helped, which document would have been right, or both.
 */
export type FeedbackIn = {
    /**
     * Query Id
     *
     * As the search answered it.
     */
    query_id: string;
    /**
     * Helpful
     *
     * Whether the answer helped.
     */
    helpful?: boolean | null;
    /**
     * Document Id
     *
     * The document that would have been right.
     */
    document_id?: string | null;
};
/**
 * ExplainIn
 */
export type ExplainIn = {
    /**
     * Query
     *
     * The question of the search to explain.
     */
    query: string;
    /**
     * Messages
     *
     * The conversation before the question, in OpenAI's shape, oldest first.
     */
    messages?: Array<MessageIn>;
    /**
     * Document Id
     *
     * The document to look for.
     */
    document_id: string;
    /**
     * Version
     *
     * Ask for this one; null: whichever answers
     */
    version?: number | null;
    /**
     * How the search finds articles.
     */
    mode?: Mode;
    /**
     * Limit
     *
     * How many articles the search answers with.
     */
    limit?: number;
    /**
     * Filters
     *
     * Which documents may answer.
     */
    filters?: ({
        type: 'eq' | 'gt' | 'gte' | 'lt' | 'lte' | 'ne';
    } & ComparisonIn) | ({
        type: 'in' | 'nin';
    } & MembershipIn) | ({
        type: 'contains' | 'ends_with' | 'not_contains' | 'starts_with';
    } & TextFilterIn) | ({
        type: 'exists';
    } & ExistenceIn) | ({
        type: 'and' | 'or';
    } & CompoundIn) | ({
        type: 'not';
    } & NegationIn) | null;
    /**
     * Min Score
     *
     * What the search leaves out below.
     */
    min_score?: number | null;
    /**
     * Passages
     *
     * How many passages to quote.
     */
    passages?: number;
    /**
     * Dimensions
     *
     * Compare only the first ones of each vector.
     */
    dimensions?: number | null;
    /**
     * Key Id
     *
     * Whether this key would see it; needs an admin key for all collections
     */
    key_id?: string | null;
};
/**
 * EvaluationIn
 */
export type EvaluationIn = {
    /**
     * Collection
     *
     * Where to ask.
     */
    collection: string;
    /**
     * Queries
     *
     * The golden set, null for that of the collection; queries without an answer count only for what scores mean
     */
    queries?: Array<LabelledQueryIn> | null;
    /**
     * Configurations
     *
     * Each later one is compared with the first
     */
    configurations?: Array<ConfigurationIn>;
};
/**
 * ConfigurationIn
 */
export type ConfigurationIn = {
    /**
     * How articles are found.
     */
    mode?: Mode;
    /**
     * Dimensions
     *
     * Compare only the first ones of each vector.
     */
    dimensions?: number | null;
    /**
     * Generation
     *
     * None: the live one
     */
    generation?: number | null;
};
/**
 * DocumentsIn
 */
export type DocumentsIn = {
    /**
     * Documents
     *
     * They become searchable one by one, each as a whole.
     */
    documents: Array<NamedDocumentIn>;
};
/**
 * DocumentIn
 *
 * An article as JSON: exactly one of `text`, `html` and `markdown`.
 */
export type DocumentIn = {
    /**
     * Text
     *
     * The article as plain text.
     */
    text?: string | null;
    /**
     * Html
     *
     * The article as HTML.
     */
    html?: string | null;
    /**
     * Markdown
     *
     * The article as Markdown.
     */
    markdown?: string | null;
    /**
     * Title
     *
     * Null: the first heading, if there is one.
     */
    title?: string | null;
    /**
     * Url
     *
     * Where people read it; comes back with every hit.
     */
    url?: string | null;
    /**
     * Attributes
     *
     * What filters look at: names with a value or a list of values.
     */
    attributes?: {
        [key: string]: boolean | number | number | string | Array<boolean | number | number | string>;
    } | null;
};
/**
 * DocumentChangesIn
 *
 * What to change; what is left out stays, and null takes back what an upload or change gave.
 *
 * The file's own title, url and attributes then count again.
 */
export type DocumentChangesIn = {
    /**
     * Title
     *
     * A new one makes a new version, which answers once it is embedded.
     */
    title?: string | null;
    /**
     * Url
     *
     * Where people read it.
     */
    url?: string | null;
    /**
     * Attributes
     *
     * Merged with those that are there: a value replaces, null takes back; null for all.
     */
    attributes?: {
        [key: string]: boolean | number | number | string | Array<boolean | number | number | string> | null;
    } | null;
};
/**
 * DeletionIn
 */
export type DeletionIn = {
    /**
     * Filters
     *
     * Which documents to erase.
     */
    filters: ({
        type: 'eq' | 'gt' | 'gte' | 'lt' | 'lte' | 'ne';
    } & ComparisonIn) | ({
        type: 'in' | 'nin';
    } & MembershipIn) | ({
        type: 'contains' | 'ends_with' | 'not_contains' | 'starts_with';
    } & TextFilterIn) | ({
        type: 'exists';
    } & ExistenceIn) | ({
        type: 'and' | 'or';
    } & CompoundIn) | ({
        type: 'not';
    } & NegationIn);
};
/**
 * ContextIn
 */
export type ContextIn = {
    /**
     * Query
     *
     * The question, as a person would ask it.
     */
    query: string;
    /**
     * Messages
     *
     * The conversation before the question, in OpenAI's shape, oldest first.
     */
    messages?: Array<MessageIn>;
    /**
     * Max Tokens
     *
     * Of titles, headings and texts together, counted with `tokenizer`
     */
    max_tokens: number;
    /**
     * Filters
     *
     * Which documents may answer.
     */
    filters?: ({
        type: 'eq' | 'gt' | 'gte' | 'lt' | 'lte' | 'ne';
    } & ComparisonIn) | ({
        type: 'in' | 'nin';
    } & MembershipIn) | ({
        type: 'contains' | 'ends_with' | 'not_contains' | 'starts_with';
    } & TextFilterIn) | ({
        type: 'exists';
    } & ExistenceIn) | ({
        type: 'and' | 'or';
    } & CompoundIn) | ({
        type: 'not';
    } & NegationIn) | null;
    /**
     * Min Score
     *
     * Leave out articles that score less.
     */
    min_score?: number | null;
    /**
     * Also In
     *
     * Further collections to search together with this one.
     */
    also_in?: Array<string>;
    /**
     * Collapse
     *
     * Whether articles that say the same become one, which names the others.
     */
    collapse?: boolean;
    /**
     * Tokenizer
     *
     * What tokens are counted with: one of the server's; null: the model's own
     */
    tokenizer?: string | null;
};
/**
 * CollectionIn
 */
export type CollectionIn = {
    /**
     * Name
     *
     * Letters, digits, `.`, `_` and `-`; it stands in paths.
     */
    name: string;
    /**
     * Description
     *
     * For people; search does not use it.
     */
    description?: string;
};
/**
 * CollectionChangesIn
 */
export type CollectionChangesIn = {
    /**
     * Description
     *
     * For people; search does not use it.
     */
    description: string;
};
/**
 * CalibrationIn
 */
export type CalibrationIn = {
    /**
     * Queries
     *
     * At least 20 with an answer; null: those of the collection's golden set; an empty list forgets those that were given before
     */
    queries: Array<LabelledQueryIn> | null;
};
/**
 * BackupIn
 */
export type BackupIn = {
    /**
     * Keep Days
     *
     * After so many days it is restored no more.
     */
    keep_days?: number;
};
/**
 * Welcome
 *
 * What this is, and where to go.
 */
export type Welcome = {
    /**
     * Name
     *
     * Always `Folio`.
     */
    name?: 'Folio';
    /**
     * Version
     *
     * The version of the service.
     */
    version: string;
    /**
     * About
     *
     * What it does, in one line.
     */
    about?: string;
    /**
     * Docs
     *
     * Page that describes the interface, and calls it.
     */
    docs?: '/docs';
    /**
     * Openapi
     *
     * The same for programs.
     */
    openapi?: '/openapi.json';
    /**
     * Ready
     *
     * Whether questions can be answered.
     */
    ready?: '/readyz';
};
/**
 * VersionOut
 */
export type VersionOut = {
    /**
     * Version
     *
     * Counted from 1 for each document.
     */
    version: number;
    /**
     * Where it stands.
     */
    status: Status;
    /**
     * Live
     *
     * Whether searches find this version.
     */
    live: boolean;
    /**
     * Title
     *
     * As it was given or read.
     */
    title: string;
    /**
     * Url
     *
     * As it was given or read.
     */
    url: string | null;
    /**
     * Media Type
     *
     * What it was parsed as.
     */
    media_type: string;
    /**
     * Created At
     *
     * When it was uploaded.
     */
    created_at: string;
    /**
     * Ready At
     *
     * When it could first be found.
     */
    ready_at: string | null;
    /**
     * What was read of it; null until it is ready.
     */
    receipt: ReceiptOut | null;
    /**
     * Why it failed; null unless it did.
     */
    error: FailureOut | null;
};
/**
 * Stage
 *
 * What is done to a version in turn.
 */
export type Stage = 'parse' | 'cut' | 'embed' | 'commit';
/**
 * FailureOut
 *
 * Why a document failed.
 */
export type FailureOut = {
    /**
     * Code
     *
     * Stable, for programs; docs/reference lists them.
     */
    code: string;
    /**
     * Message
     *
     * One sentence for people.
     */
    message: string;
    /**
     * Where it failed; null when it failed before the first stage.
     */
    stage?: Stage | null;
};
/**
 * ReceiptOut
 *
 * What was read of the document; tokens embedded are never fewer than tokens counted.
 */
export type ReceiptOut = {
    /**
     * Bytes
     *
     * Size of the uploaded file.
     */
    bytes: number;
    /**
     * Characters
     *
     * Characters of the extracted text.
     */
    characters: number;
    /**
     * Pages
     *
     * Pages, slides or sheets; null for a format without them.
     */
    pages: number | null;
    /**
     * Pages With Text
     *
     * Share of the pages that hold text, 0 to 1.
     */
    pages_with_text?: number | null;
    /**
     * Tokens Counted
     *
     * Tokens of the text, counted without truncation.
     */
    tokens_counted: number;
    /**
     * Tokens Embedded
     *
     * Tokens of the text that entered a vector.
     */
    tokens_embedded: number;
    /**
     * Tokens Unknown
     *
     * Tokens of the text that stand for characters which the model does not know.
     */
    tokens_unknown?: number;
    /**
     * Tokens Processed
     *
     * Tokens that the model read, with prompts, titles and special tokens.
     */
    tokens_processed: number;
    /**
     * Units
     *
     * Vectors of the article: 1 unless it is longer than the model reads at once.
     */
    units: number;
    /**
     * Passages
     *
     * Spans of it that a search can quote.
     */
    passages: number;
    /**
     * Warnings
     *
     * What a reader of the article should know, such as images left out.
     */
    warnings: Array<string>;
    /**
     * Took Ms
     *
     * Milliseconds by stage.
     */
    took_ms?: {
        [key: string]: number;
    };
    /**
     * Language
     *
     * As it was detected: ISO 639-1.
     */
    language?: string | null;
};
/**
 * Status
 *
 * Where a version of a document is on its way.
 */
export type Status = 'queued' | 'processing' | 'ready' | 'failed';
/**
 * UsageOut
 */
export type UsageOut = {
    /**
     * Total Tokens
     *
     * Tokens that the model read.
     */
    total_tokens: number;
};
/**
 * UploadOut
 */
export type UploadOut = {
    /**
     * Job Id
     *
     * What GET /v1/jobs/{job_id} asks for.
     */
    job_id: string;
    /**
     * Documents
     *
     * One for each document of the upload, in its order.
     */
    documents: Array<AcceptedOut>;
    /**
     * Left Out
     *
     * Files in archives that no author wrote: `Thumbs.db`, `.DS_Store`, `~$` locks, hidden ones.
     */
    left_out?: Array<string>;
};
/**
 * AcceptedOut
 */
export type AcceptedOut = {
    /**
     * Id
     *
     * The id under which it is stored.
     */
    id: string;
    /**
     * Version
     *
     * Counted from 1 for each document.
     */
    version: number;
    /**
     * Where this version stands.
     */
    status: Status;
    /**
     * Change
     *
     * `none`: all was equal; `metadata`: only url or attributes differed; `content`: it is read.
     */
    change: 'none' | 'metadata' | 'content';
    /**
     * Duplicates
     *
     * Other documents of the collection with the same bytes, ten at most.
     */
    duplicates?: Array<string>;
    /**
     * Why it failed; null unless `wait` saw it fail.
     */
    error?: FailureOut | null;
};
/**
 * UnreadOut
 */
export type UnreadOut = {
    /**
     * Id
     *
     * A document whose upload cannot be read.
     */
    id: string;
    /**
     * Code
     *
     * As an upload of it would fail.
     */
    code: string;
    /**
     * Message
     *
     * What is wrong with it.
     */
    message: string;
    /**
     * Answers
     *
     * Whether a version of it answers; it goes on to.
     */
    answers: boolean;
};
/**
 * UncoveredOut
 */
export type UncoveredOut = {
    /**
     * Heading
     *
     * The section that no passage covers.
     */
    heading: string;
    /**
     * Start
     *
     * Where it begins in the text, in code points.
     */
    start: number;
    /**
     * End
     *
     * Where it ends, exclusive.
     */
    end: number;
};
/**
 * TrainingOut
 */
export type TrainingOut = {
    /**
     * Done
     *
     * Steps done.
     */
    done: number;
    /**
     * Total
     *
     * Steps in all.
     */
    total: number;
    /**
     * Seconds Left
     *
     * An estimate; null until there is one.
     */
    seconds_left: number | null;
};
/**
 * TookMs
 */
export type TookMs = {
    /**
     * Embed
     *
     * Embedding the question.
     */
    embed: number;
    /**
     * Search
     *
     * Finding and ranking.
     */
    search: number;
    /**
     * Rerank
     *
     * Ranking again; 0 unless it was asked for.
     */
    rerank: number;
    /**
     * Total
     *
     * All together.
     */
    total: number;
};
/**
 * TermMatchOut
 *
 * `count`: how often the article holds it; each place in its title counts three times.
 */
export type TermMatchOut = {
    /**
     * Term
     *
     * A term of the query, as it is indexed.
     */
    term: string;
    /**
     * Count
     *
     * How often the article holds it.
     */
    count: number;
};
/**
 * Sync
 *
 * The last scheduled sync; `error` is the code of what kept it from being done.
 */
export type Sync = {
    /**
     * Finished At
     *
     * When it ended.
     */
    finished_at: string;
    /**
     * Error
     *
     * Code of what kept it from being done; null if nothing did.
     */
    error: string | null;
    /**
     * Added
     *
     * Articles that were new.
     */
    added: number;
    /**
     * Changed
     *
     * Articles that had changed.
     */
    changed: number;
    /**
     * Renamed
     *
     * Articles with a new name.
     */
    renamed: number;
    /**
     * Deleted
     *
     * Articles that were gone.
     */
    deleted: number;
    /**
     * Failed
     *
     * Articles that could not be read.
     */
    failed: number;
};
/**
 * SuggestionsOut
 */
export type SuggestionsOut = {
    /**
     * Queries
     *
     * Questions that are not in the golden set, for review.
     */
    queries: Array<LearnedOut>;
};
/**
 * LearnedOut
 */
export type LearnedOut = {
    /**
     * Query
     *
     * A question that was asked.
     */
    query: string;
    /**
     * Relevant
     *
     * Votes by document id.
     */
    relevant: {
        [key: string]: number;
    };
};
/**
 * StatisticsOut
 */
export type StatisticsOut = {
    /**
     * Name
     *
     * Of the collection.
     */
    name: string;
    /**
     * Bytes
     *
     * Of the uploads that its articles were read from, as they came; former versions and what
     * failed do not count.
     */
    bytes: number;
    /**
     * Tokens
     *
     * Of the texts of its articles, as the model counts them.
     */
    tokens: number;
    /**
     * Languages
     *
     * How many articles are in which language, the most frequent first.
     */
    languages: Array<LanguageCountOut>;
    /**
     * Last Upload At
     *
     * When documents were uploaded, or tried again, last; null: never.
     */
    last_upload_at: string | null;
    /**
     * Failures
     *
     * What the latest uploads of documents failed with, the most frequent first.
     */
    failures: Array<FailureCountOut>;
};
/**
 * FailureCountOut
 */
export type FailureCountOut = {
    /**
     * Code
     *
     * Why: one of the error codes.
     */
    code: string;
    /**
     * Documents
     *
     * How many documents failed with it.
     */
    documents: number;
    /**
     * Message
     *
     * What one of them was told.
     */
    message: string;
};
/**
 * LanguageCountOut
 */
export type LanguageCountOut = {
    /**
     * Language
     *
     * ISO 639-1 code, as it was detected; null where that was unsure.
     */
    language: string | null;
    /**
     * Documents
     *
     * How many articles are in it.
     */
    documents: number;
};
/**
 * State
 *
 * What became of a document in a search.
 */
export type State = 'not_there' | 'queued' | 'processing' | 'failed' | 'superseded' | 'not_allowed' | 'filtered' | 'not_proposed' | 'below_min_score' | 'below_limit' | 'shown';
/**
 * StandingOut
 *
 * `gap`: how far the score is above the last one shown, below 0 if it is not shown.
 */
export type StandingOut = {
    /**
     * Rank
     *
     * From 1; null where the stage did not find the document.
     */
    rank: number | null;
    /**
     * Of
     *
     * How many documents the stage ranked.
     */
    of: number;
    /**
     * Score
     *
     * The stage's own score.
     */
    score: number | null;
    /**
     * Last Shown
     *
     * The score at the search's limit.
     */
    last_shown: number | null;
    /**
     * Gap
     *
     * `score` minus `last_shown`.
     */
    gap: number | null;
};
/**
 * SentenceOut
 */
export type SentenceOut = {
    /**
     * Start
     *
     * Where it begins in the stored text, in code points.
     */
    start: number;
    /**
     * End
     *
     * Where it ends in the stored text, exclusive.
     */
    end: number;
};
/**
 * SearchOut
 */
export type SearchOut = {
    /**
     * Query
     *
     * The question that was asked.
     */
    query: string;
    /**
     * Interpreted
     *
     * What was asked for, with what was carried over from earlier turns.
     */
    interpreted: string;
    /**
     * How articles were found.
     */
    mode: Mode;
    /**
     * Calibrated
     *
     * Whether scores are probabilities, measured in what was searched; else they only rank.
     */
    calibrated: boolean;
    /**
     * Results
     *
     * Best first.
     */
    results: Array<HitOut>;
    /**
     * Total
     *
     * How many articles can be paged through, 1,000 at most.
     *
     * With `min_score` or `collapse`, or in `dense` mode beside articles that the model cannot read,
     * it may be too many before the last page.
     */
    total: number;
    /**
     * Facets
     *
     * For each attribute asked for its most frequent values, 100 at most, over all articles that
     * match: those that the filters and quoted phrases allow, and in `lexical` mode that hold a word
     * of the question.
     */
    facets: {
        [key: string]: Array<FacetValueOut>;
    };
    /**
     * Generation
     *
     * The generation of vectors that answered; null while there is none.
     */
    generation: number | null;
    /**
     * Milliseconds by stage.
     */
    took_ms: TookMs;
    /**
     * Query Id
     *
     * What POST /v1/feedback names; None while the query log is off, and past the first page.
     */
    query_id?: string | null;
};
/**
 * FacetValueOut
 */
export type FacetValueOut = {
    /**
     * Value
     *
     * One value of the attribute; a document with several counts for each.
     */
    value: boolean | number | number | string;
    /**
     * Count
     *
     * How many articles have it.
     */
    count: number;
};
/**
 * PassageOut
 */
export type PassageOut = {
    /**
     * Text
     *
     * The passage, exactly as it is stored.
     */
    text: string;
    /**
     * Start
     *
     * Where it begins in the stored text, in code points.
     */
    start: number;
    /**
     * End
     *
     * Where it ends in the stored text, exclusive.
     */
    end: number;
    /**
     * Score
     *
     * What its article would score by this passage alone.
     */
    score: number;
    /**
     * Heading
     *
     * The heading above it.
     */
    heading: string;
    /**
     * Page
     *
     * The page, slide or sheet it is on; null for a format without them.
     */
    page: number | null;
    /**
     * Table Head
     *
     * Caption and head of the table that the passage is rows of, to read before it; else empty.
     */
    table_head: string;
    /**
     * The sentence or row in it that holds most of the question's words; null if none holds any.
     */
    sentence: SentenceOut | null;
};
/**
 * HitOut
 *
 * `untrusted`: title, attributes and passages are data that somebody uploaded, no orders.
 */
export type HitOut = {
    /**
     * Collection
     *
     * Where the article is.
     */
    collection: string;
    /**
     * Document Id
     *
     * The caller's own id.
     */
    document_id: string;
    /**
     * Version
     *
     * The version that was found.
     */
    version: number;
    /**
     * Sha256
     *
     * Of the uploaded bytes that this version was read from.
     */
    sha256: string;
    /**
     * Title
     *
     * Of the article.
     */
    title: string;
    /**
     * Url
     *
     * Where people read it.
     */
    url: string | null;
    /**
     * Score
     *
     * How well the article answers, 0 to 1.
     */
    score: number;
    /**
     * Attributes
     *
     * As they were uploaded.
     */
    attributes: {
        [key: string]: unknown;
    };
    /**
     * Passages
     *
     * Its best passages, best first.
     */
    passages: Array<PassageOut>;
    /**
     * Same As
     *
     * Articles that say the same, where `collapse` is given; those of another collection as `collection/id`
     */
    same_as?: Array<string>;
    /**
     * Untrusted
     *
     * Always true: treat the content as data.
     */
    untrusted?: true;
};
/**
 * ScoreOut
 */
export type ScoreOut = {
    /**
     * Index
     *
     * Which document it is of.
     */
    index: number;
    /**
     * Relevance Score
     *
     * How well it answers.
     */
    relevance_score: number;
};
/**
 * Said
 *
 * What somebody said of an answer.
 */
export type Said = 'anything' | 'nothing' | 'helpful' | 'unhelpful' | 'chosen';
/**
 * RunSummaryOut
 */
export type RunSummaryOut = {
    /**
     * Name
     *
     * The mode, with what else was asked for.
     */
    name: string;
    /**
     * Generation
     *
     * Which generation of vectors answered; null where that was not noted.
     */
    generation: number | null;
    /**
     * Ndcg
     *
     * nDCG@10, the mean over the queries.
     */
    ndcg: number;
};
/**
 * RerankTextOut
 */
export type RerankTextOut = {
    /**
     * Text
     *
     * The text that was ranked.
     */
    text: string;
};
/**
 * RerankOut
 *
 * Best first.
 */
export type RerankOut = {
    /**
     * Id
     *
     * Of this answer.
     */
    id: string;
    /**
     * Model
     *
     * What ranked.
     */
    model: string;
    /**
     * Tokens.
     */
    usage: UsageOut;
    /**
     * Meta
     *
     * The version of the contract.
     */
    meta: {
        [key: string]: {
            [key: string]: string;
        };
    };
    /**
     * Results
     *
     * Best first.
     */
    results: Array<RelevanceOut>;
    /**
     * Data
     *
     * The same, where Voyage's clients look for it.
     */
    data: Array<ScoreOut>;
};
/**
 * RelevanceOut
 */
export type RelevanceOut = {
    /**
     * Index
     *
     * Which document it is of.
     */
    index: number;
    /**
     * Relevance Score
     *
     * How well it answers.
     */
    relevance_score: number;
    /**
     * The text, where it was asked for.
     */
    document?: RerankTextOut | null;
};
/**
 * ReparseOut
 */
export type ReparseOut = {
    /**
     * Id
     *
     * What the status asks for; of a job too, where `applies` is set.
     */
    id: string;
    /**
     * Collection
     *
     * What is read.
     */
    collection: string;
    /**
     * How far it is; one that applies is done when all new versions are queued.
     */
    status: Progress;
    /**
     * Applies
     *
     * Whether new versions are made.
     */
    applies: boolean;
    /**
     * Documents
     *
     * How many documents the collection has.
     */
    documents: number;
    /**
     * What it has found so far.
     */
    found: FoundOut;
    /**
     * Message
     *
     * Why it failed, or what it left out.
     */
    message: string | null;
    /**
     * Created At
     *
     * When it was asked for.
     */
    created_at: string;
    /**
     * Finished At
     *
     * When it ended.
     */
    finished_at: string | null;
};
/**
 * MovedAnswerOut
 */
export type MovedAnswerOut = {
    /**
     * Query
     *
     * The question that was asked.
     */
    query: string;
    /**
     * Before
     *
     * The first hit now.
     */
    before: string | null;
    /**
     * After
     *
     * The first hit with what reads differently.
     */
    after: string | null;
    /**
     * Before Is Relevant
     *
     * Whether the golden set names the first hit of now.
     */
    before_is_relevant: boolean;
    /**
     * After Is Relevant
     *
     * Whether it names the new one.
     */
    after_is_relevant: boolean;
};
/**
 * PredictedAnswersOut
 */
export type PredictedAnswersOut = {
    /**
     * Asked
     *
     * How many questions were asked.
     */
    asked: number;
    /**
     * Ndcg Before
     *
     * nDCG@10 as it is.
     */
    ndcg_before: number;
    /**
     * Ndcg After
     *
     * nDCG@10 as it would be.
     */
    ndcg_after: number;
    /**
     * Moved
     *
     * The questions whose first hit would change.
     */
    moved: Array<MovedAnswerOut>;
};
/**
 * DifferenceOut
 */
export type DifferenceOut = {
    /**
     * Id
     *
     * A document that reads differently.
     */
    id: string;
    /**
     * Title
     *
     * The title that it would have.
     */
    title: string;
    /**
     * Words Before
     *
     * Null: nothing of it answers yet.
     */
    words_before: number | null;
    /**
     * Words After
     *
     * How many words it would have.
     */
    words_after: number;
    /**
     * Similarity
     *
     * How much of the wording stays, 0 to 1.
     */
    similarity: number;
    /**
     * Headings Before
     *
     * How many headings it has.
     */
    headings_before: number;
    /**
     * Headings After
     *
     * How many it would have.
     */
    headings_after: number;
    /**
     * Warnings
     *
     * Those that its receipt does not have yet.
     */
    warnings: Array<string>;
};
/**
 * FoundOut
 */
export type FoundOut = {
    /**
     * Read
     *
     * Documents that were read.
     */
    read: number;
    /**
     * Unchanged
     *
     * Those that read as they are stored.
     */
    unchanged: number;
    /**
     * Changed
     *
     * Those that read differently.
     */
    changed: number;
    /**
     * Unreadable
     *
     * Those whose upload cannot be read.
     */
    unreadable: number;
    /**
     * Waiting
     *
     * Those that were left alone, because a new version of them was in the queue.
     */
    waiting: number;
    /**
     * Changes
     *
     * The first 1,000 that read differently
     */
    changes: Array<DifferenceOut>;
    /**
     * Failures
     *
     * The first 1,000 that cannot be read
     */
    failures: Array<UnreadOut>;
    /**
     * Null: no golden set was given, or it was not asked.
     */
    answers: PredictedAnswersOut | null;
};
/**
 * Progress
 *
 * Where something that the server does in the background stands.
 */
export type Progress = 'queued' | 'done' | 'failed';
/**
 * ReadingOut
 */
export type ReadingOut = {
    /**
     * Tokens
     *
     * The text of the query, cut as the tokenizer cuts it.
     */
    tokens: Array<string>;
    /**
     * Model Tokens
     *
     * With prompt and special tokens; null in a lexical search.
     */
    model_tokens: number | null;
    /**
     * Prompt
     *
     * What precedes the query; null in a lexical search.
     */
    prompt: string | null;
    /**
     * Adapter
     *
     * The adapter that read it; null for a model without.
     */
    adapter: string | null;
    /**
     * Terms
     *
     * Terms of the query that the article holds.
     */
    terms: Array<TermMatchOut>;
};
/**
 * Readiness
 */
export type Readiness = {
    /**
     * Status
     *
     * Always `ok`.
     */
    status?: 'ok';
    /**
     * Model
     *
     * What answers questions.
     */
    model: string;
    /**
     * Documents
     *
     * In all collections.
     */
    documents: number;
    /**
     * Parser Confinement
     *
     * What holds the parsing process, in words; null before it was started.
     */
    parser_confinement: string | null;
    /**
     * The last scheduled one; null while there was none.
     */
    sync?: Sync | null;
};
/**
 * RankingOut
 */
export type RankingOut = {
    /**
     * Stages
     *
     * `unit`, `passage`, `lexical` and `match`, those that the mode looks at, and `fused`.
     */
    stages: {
        [key: string]: StandingOut;
    };
    /**
     * How the query was read.
     */
    reading: ReadingOut;
    /**
     * Passages
     *
     * The passages that matched best.
     */
    passages: Array<PassageOut>;
    /**
     * Took Ms
     *
     * Milliseconds by stage.
     */
    took_ms: {
        [key: string]: number;
    };
};
/**
 * QuestionsOut
 */
export type QuestionsOut = {
    /**
     * Questions
     *
     * The latest first.
     */
    questions: Array<QuestionOut>;
};
/**
 * QuestionOut
 */
export type QuestionOut = {
    /**
     * Query
     *
     * A question that found the document.
     */
    query: string;
    /**
     * Asked At
     *
     * When it was asked.
     */
    asked_at: string;
    /**
     * Rank
     *
     * Where the document stood, from 1.
     */
    rank: number;
    /**
     * Helpful
     *
     * How many called the answer helpful.
     */
    helpful: number;
    /**
     * Unhelpful
     *
     * How many called it unhelpful.
     */
    unhelpful: number;
    /**
     * Chosen
     *
     * How many called this document the right one.
     */
    chosen: number;
};
/**
 * QueryLogOut
 */
export type QueryLogOut = {
    /**
     * Log Days
     *
     * For how many days questions are kept; 0: the log is off, and there are none.
     */
    log_days: number;
    /**
     * Queries
     *
     * The newest first.
     */
    queries: Array<LoggedQuestionOut>;
    /**
     * Next Before
     *
     * `before` for the next page; null on the last one.
     */
    next_before: string | null;
};
/**
 * LoggedQuestionOut
 */
export type LoggedQuestionOut = {
    /**
     * Id
     *
     * What the search answered as `query_id`.
     */
    id: string;
    /**
     * Query
     *
     * What was asked.
     */
    query: string;
    /**
     * How articles were found.
     */
    mode: Mode;
    /**
     * Asked At
     *
     * When it was asked.
     */
    asked_at: string;
    /**
     * Found
     *
     * Ids of the first ten documents that it found here, best first.
     */
    found: Array<string>;
    /**
     * Score
     *
     * Of the first one, before it was reranked; null where nothing was found.
     */
    score: number | null;
    /**
     * Calibrated
     *
     * Whether the score is a probability; null where that was not noted.
     */
    calibrated: boolean | null;
    /**
     * Helpful
     *
     * How many called the answer helpful.
     */
    helpful: number;
    /**
     * Unhelpful
     *
     * How many called it unhelpful.
     */
    unhelpful: number;
    /**
     * Chosen
     *
     * Documents that people called right, with how many did.
     */
    chosen: {
        [key: string]: number;
    };
};
/**
 * QueriesErased
 */
export type QueriesErased = {
    /**
     * Erased
     *
     * How many questions were erased.
     */
    erased: number;
};
/**
 * PreflightOut
 */
export type PreflightOut = {
    /**
     * Id
     *
     * The document that was asked about.
     */
    id: string;
    /**
     * Replaces
     *
     * Whether there is a document with this id.
     */
    replaces: boolean;
    /**
     * Near Duplicates
     *
     * Near-duplicates of it.
     */
    near_duplicates: Array<NearDuplicateOut>;
    /**
     * Asked
     *
     * How many questions were asked.
     */
    asked: number;
    /**
     * Changes
     *
     * The questions whose answers would change.
     */
    changes: Array<ChangeOut>;
    /**
     * Uncovered
     *
     * Sections that no passage covers.
     */
    uncovered: Array<UncoveredOut>;
    /**
     * Tokens
     *
     * Of its text.
     */
    tokens: number;
    /**
     * Units
     *
     * Vectors that it would have.
     */
    units: number;
    /**
     * Passages
     *
     * Passages that it would have.
     */
    passages: number;
    /**
     * Warnings
     *
     * As its receipt would name them.
     */
    warnings: Array<string>;
};
/**
 * ChangeOut
 *
 * A query whose answers would change; `rank` is where the article would stand, from 1.
 */
export type ChangeOut = {
    /**
     * Query
     *
     * The question that was asked.
     */
    query: string;
    /**
     * Golden
     *
     * Whether it is of the golden set.
     */
    golden: boolean;
    /**
     * Before
     *
     * The first hit now.
     */
    before: string | null;
    /**
     * After
     *
     * The first hit with the article.
     */
    after: string | null;
    /**
     * Rank
     *
     * Where the article would stand, from 1.
     */
    rank: number | null;
    /**
     * Overtaken
     *
     * Articles that it would overtake.
     */
    overtaken: Array<string>;
    /**
     * First Is Relevant
     *
     * Whether the golden set names the new first hit.
     */
    first_is_relevant: boolean | null;
};
/**
 * NearDuplicateOut
 */
export type NearDuplicateOut = {
    /**
     * Document Id
     *
     * An article that says nearly the same.
     */
    document_id: string;
    /**
     * Similarity
     *
     * How much of their wording is the same, 0 to 1.
     */
    similarity: number;
};
/**
 * MeasuredOut
 */
export type MeasuredOut = {
    /**
     * Rules
     *
     * Version of the rules; null: to be measured again
     */
    rules: number | null;
    /**
     * Documents
     *
     * Articles that the collection had.
     */
    documents: number;
    /**
     * Anchors
     *
     * What it gives to questions without an answer and to its own sentences; null where the model
     * tells them not apart, and scores are no probabilities.
     */
    anchors: {
        [key: string]: number;
    } | null;
    /**
     * What questions whose answers are known changed; null where there are none.
     */
    labels?: LabelsOut | null;
    /**
     * Measured At
     *
     * When.
     */
    measured_at: string;
};
/**
 * LabelsOut
 */
export type LabelsOut = {
    /**
     * Queries
     *
     * Questions with an answer.
     */
    queries: number;
    /**
     * Unanswered
     *
     * Questions without.
     */
    unanswered: number;
    /**
     * Hits
     *
     * Shift and slope of the log odds of hits' scores.
     */
    hits: {
        [key: string]: number;
    };
    /**
     * Answers
     *
     * The same of `no_answer`.
     */
    answers: {
        [key: string]: number;
    };
    /**
     * Error
     *
     * Calibration error of first hits' scores without them.
     */
    error: number;
    /**
     * Corrected Error
     *
     * With them, on the same questions.
     */
    corrected_error: number;
};
/**
 * KeysOut
 */
export type KeysOut = {
    /**
     * Keys
     *
     * Without their secrets.
     */
    keys: Array<KeyOut>;
};
/**
 * KeyOut
 */
export type KeyOut = {
    /**
     * Id
     *
     * What DELETE /v1/keys/{key_id} names it by.
     */
    id: string;
    /**
     * Name
     *
     * For people.
     */
    name: string;
    /**
     * What it may do.
     */
    scope: Scope;
    /**
     * Collections
     *
     * What it covers; null: all collections.
     */
    collections: Array<string> | null;
    /**
     * Created At
     *
     * When it was made.
     */
    created_at: string;
    /**
     * Expires At
     *
     * When it ends by itself; null: never.
     */
    expires_at: string | null;
    /**
     * Revoked At
     *
     * When it was revoked; null unless it was.
     */
    revoked_at: string | null;
    /**
     * Last Used At
     *
     * When a request came with it last, to the minute; null: not yet.
     */
    last_used_at: string | null;
};
/**
 * KeyMade
 */
export type KeyMade = {
    /**
     * Id
     *
     * What DELETE /v1/keys/{key_id} names it by.
     */
    id: string;
    /**
     * Name
     *
     * For people.
     */
    name: string;
    /**
     * What it may do.
     */
    scope: Scope;
    /**
     * Collections
     *
     * What it covers; null: all collections.
     */
    collections: Array<string> | null;
    /**
     * Created At
     *
     * When it was made.
     */
    created_at: string;
    /**
     * Expires At
     *
     * When it ends by itself; null: never.
     */
    expires_at: string | null;
    /**
     * Revoked At
     *
     * When it was revoked; null unless it was.
     */
    revoked_at: string | null;
    /**
     * Last Used At
     *
     * When a request came with it last, to the minute; null: not yet.
     */
    last_used_at: string | null;
    /**
     * Key
     *
     * The token itself; it is shown this once.
     */
    key: string;
};
/**
 * KeptQueryOut
 */
export type KeptQueryOut = {
    /**
     * Id
     *
     * What the routes that change and remove it name it by.
     */
    id: number;
    /**
     * Query
     *
     * A question as people ask it.
     */
    query: string;
    /**
     * Relevant
     *
     * Grades by document id; empty: nothing answers it.
     */
    relevant: {
        [key: string]: number;
    };
    /**
     * Missing
     *
     * Those of its documents that no search can find: they are gone, or not read yet.
     */
    missing: Array<string>;
    /**
     * Changed At
     *
     * When it was added or changed last.
     */
    changed_at: string;
};
/**
 * KeptQueriesOut
 */
export type KeptQueriesOut = {
    /**
     * Queries
     *
     * In the order in which they were added.
     */
    queries: Array<KeptQueryOut>;
    /**
     * Total
     *
     * Questions in the set.
     */
    total: number;
    /**
     * Following
     *
     * What to give as `after` for the next page; null: there is none.
     */
    following: number | null;
};
/**
 * JobsOut
 */
export type JobsOut = {
    /**
     * Jobs
     *
     * Newest first.
     */
    jobs: Array<JobSummaryOut>;
    /**
     * Next Before
     *
     * What asks for the next page, as `before`; null on the last one.
     */
    next_before: string | null;
};
/**
 * JobSummaryOut
 */
export type JobSummaryOut = {
    /**
     * Job Id
     *
     * What `/v1/jobs/{job_id}` shows.
     */
    job_id: string;
    /**
     * Created At
     *
     * When the documents were uploaded.
     */
    created_at: string;
    /**
     * Counts
     *
     * How many of its documents stand at each status, or were `superseded` or `deleted`.
     */
    counts: {
        [key: string]: number;
    };
};
/**
 * JobOut
 */
export type JobOut = {
    /**
     * Job Id
     *
     * The job that was asked for.
     */
    job_id: string;
    /**
     * Counts
     *
     * How many of its documents stand at each status.
     *
     * `superseded` were replaced by newer uploads and `deleted` erased: nothing comes of these.
     */
    counts: {
        [key: string]: number;
    };
    /**
     * Errors
     *
     * The documents that failed, and why.
     */
    errors: Array<JobFailureOut>;
    /**
     * Tokens
     *
     * Tokens embedded so far.
     */
    tokens: number;
};
/**
 * JobFailureOut
 */
export type JobFailureOut = {
    /**
     * Code
     *
     * Stable, for programs; docs/reference lists them.
     */
    code: string;
    /**
     * Message
     *
     * One sentence for people.
     */
    message: string;
    /**
     * Where it failed; null when it failed before the first stage.
     */
    stage?: Stage | null;
    /**
     * Id
     *
     * The document that failed.
     */
    id: string;
};
/**
 * Health
 */
export type Health = {
    /**
     * Status
     *
     * Always `ok`.
     */
    status?: 'ok';
};
/**
 * GenerationsOut
 */
export type GenerationsOut = {
    /**
     * Generations
     *
     * The oldest first.
     */
    generations: Array<GenerationOut>;
};
/**
 * GenerationState
 *
 * Where a generation of vectors stands; which one is live is said beside it.
 */
export type GenerationState = 'building' | 'ready' | 'refused' | 'failed';
/**
 * GenerationOut
 */
export type GenerationOut = {
    /**
     * Id
     *
     * What the other routes name it by.
     */
    id: number;
    /**
     * Model
     *
     * The model that made its vectors.
     */
    model: string;
    /**
     * Dimensions
     *
     * Length of its vectors.
     */
    dimensions: number;
    /**
     * Fingerprint
     *
     * What made its vectors, as a digest.
     */
    fingerprint: string;
    /**
     * Is Live
     *
     * Whether it answers.
     */
    is_live: boolean;
    /**
     * How far it is.
     */
    state: GenerationState;
    /**
     * Message
     *
     * Why it was refused or failed.
     */
    message: string | null;
    /**
     * Documents
     *
     * Live articles that it holds.
     */
    documents: number;
    /**
     * Total
     *
     * Live articles in all.
     */
    total: number;
    /**
     * Report
     *
     * What its gate measured.
     */
    report: {
        [key: string]: unknown;
    } | null;
    /**
     * Vectors Of
     *
     * Whose vectors a tuned one searches
     */
    vectors_of: number | null;
    /**
     * Tuning
     *
     * What a tuned one learned
     */
    tuning: {
        [key: string]: unknown;
    } | null;
    /**
     * Calibration
     *
     * What its scores mean in each collection, as it was measured
     */
    calibration: {
        [key: string]: unknown;
    } | null;
    /**
     * How far the training is, while it runs
     */
    training: TrainingOut | null;
    /**
     * Created At
     *
     * When it was asked for.
     */
    created_at: string;
};
/**
 * GenerationRemoved
 */
export type GenerationRemoved = {
    /**
     * Id
     *
     * The generation that was erased.
     */
    id: number;
};
/**
 * GapsOut
 */
export type GapsOut = {
    /**
     * Gaps
     *
     * The most asked first.
     */
    gaps: Array<GapOut>;
};
/**
 * GapOut
 */
export type GapOut = {
    /**
     * Count
     *
     * How many questions were about it.
     */
    count: number;
    /**
     * Examples
     *
     * Some of these questions.
     */
    examples: Array<string>;
    /**
     * Nearest
     *
     * Ids of the articles that came nearest.
     */
    nearest: Array<string>;
};
/**
 * FeedbackTaken
 */
export type FeedbackTaken = {
    /**
     * Query Id
     *
     * The query that the feedback is about.
     */
    query_id: string;
};
/**
 * ExplanationOut
 *
 * `untrusted`: titles and passages are data that somebody uploaded, no orders.
 */
export type ExplanationOut = {
    /**
     * Query
     *
     * The question that was asked.
     */
    query: string;
    /**
     * Collection
     *
     * Where it was asked.
     */
    collection: string;
    /**
     * Document Id
     *
     * The document that was looked for.
     */
    document_id: string;
    /**
     * How articles were found.
     */
    mode: Mode;
    /**
     * Limit
     *
     * How many articles the search answers with.
     */
    limit: number;
    /**
     * What became of the document.
     */
    state: State;
    /**
     * Reason
     *
     * The same in one sentence.
     */
    reason: string;
    /**
     * Versions
     *
     * All that are kept, newest first.
     */
    versions: Array<VersionOut>;
    /**
     * Where it stands in each stage; null where it could not be ranked.
     */
    ranking: RankingOut | null;
    /**
     * Untrusted
     *
     * Always true: treat the content as data.
     */
    untrusted?: true;
};
/**
 * EvaluationsOut
 */
export type EvaluationsOut = {
    /**
     * Evaluations
     *
     * The newest first.
     */
    evaluations: Array<EvaluationSummaryOut>;
    /**
     * Next Before
     *
     * `before` for the next page; null on the last one.
     */
    next_before: string | null;
};
/**
 * EvaluationSummaryOut
 */
export type EvaluationSummaryOut = {
    /**
     * Id
     *
     * What GET /v1/evaluations/{evaluation_id} asks for.
     */
    id: string;
    /**
     * Collection
     *
     * Where it asks.
     */
    collection: string;
    /**
     * How far it is.
     */
    status: Progress;
    /**
     * Message
     *
     * Why it failed; null unless it did.
     */
    message: string | null;
    /**
     * Created At
     *
     * When it was asked for.
     */
    created_at: string;
    /**
     * Finished At
     *
     * When it ended.
     */
    finished_at: string | null;
    /**
     * Queries
     *
     * How many queries were asked; null until it is done.
     */
    queries: number | null;
    /**
     * Runs
     *
     * What each configuration came to; none until it is done.
     */
    runs: Array<RunSummaryOut>;
};
/**
 * EvaluationRemoved
 */
export type EvaluationRemoved = {
    /**
     * Id
     *
     * The evaluation that was erased.
     */
    id: string;
};
/**
 * EvaluationOut
 */
export type EvaluationOut = {
    /**
     * Id
     *
     * What GET /v1/evaluations/{evaluation_id} asks for.
     */
    id: string;
    /**
     * Collection
     *
     * Where it asks.
     */
    collection: string;
    /**
     * How far it is.
     */
    status: Progress;
    /**
     * Result
     *
     * The figures, once it is done.
     */
    result: {
        [key: string]: unknown;
    } | null;
    /**
     * Message
     *
     * Why it failed; null unless it did.
     */
    message: string | null;
    /**
     * Created At
     *
     * When it was asked for.
     */
    created_at: string;
    /**
     * Finished At
     *
     * When it ended.
     */
    finished_at: string | null;
};
/**
 * DocumentsOut
 */
export type DocumentsOut = {
    /**
     * Documents
     *
     * In the order that was asked for; of their ids where none was.
     */
    documents: Array<DocumentOut>;
    /**
     * Total
     *
     * How many there are in all, at the status asked for.
     */
    total: number;
    /**
     * Next Cursor
     *
     * What asks for the next page; null on the last one, and where `offset` or `sort` is given.
     */
    next_cursor: string | null;
};
/**
 * DocumentOut
 *
 * `version`, `status` and `error` are the latest upload's; the rest is what answers now.
 */
export type DocumentOut = {
    /**
     * Id
     *
     * The caller's own id.
     */
    id: string;
    /**
     * Version
     *
     * The latest upload's number.
     */
    version: number;
    /**
     * Where the latest upload stands.
     */
    status: Status;
    /**
     * Why the latest upload failed; null unless it did.
     */
    error: FailureOut | null;
    /**
     * Live Version
     *
     * The version that searches find; null while there is none.
     */
    live_version: number | null;
    /**
     * Title
     *
     * Of the live version.
     */
    title: string;
    /**
     * Url
     *
     * Of the live version.
     */
    url: string | null;
    /**
     * Attributes
     *
     * Of the live version.
     */
    attributes: {
        [key: string]: unknown;
    };
    /**
     * Media Type
     *
     * What the live version was parsed as.
     */
    media_type: string;
    /**
     * Sha256
     *
     * Of the bytes of the latest upload.
     */
    sha256: string;
    /**
     * What was read of the live version.
     */
    receipt: ReceiptOut | null;
    /**
     * Created At
     *
     * When the document was first uploaded.
     */
    created_at: string;
    /**
     * Updated At
     *
     * When the live version was ready; when the latest one was uploaded where none is live.
     */
    updated_at: string;
    /**
     * Text
     *
     * The stored text; null unless `include` asks for it.
     */
    text?: string | null;
    /**
     * Versions
     *
     * Newest first; null unless `include` asks for them.
     */
    versions?: Array<VersionOut> | null;
};
/**
 * DocumentsDeleted
 */
export type DocumentsDeleted = {
    /**
     * Matched
     *
     * How many documents meet the filter.
     */
    matched: number;
    /**
     * Deleted
     *
     * How many of them were erased: all, or none without `confirm_count`.
     */
    deleted: number;
    /**
     * Ids
     *
     * The first 100 ids of those that meet it.
     */
    ids: Array<string>;
    /**
     * Complete
     *
     * False while a reader keeps deleted content in the log.
     */
    complete: boolean;
};
/**
 * DocumentDeleted
 *
 * What was erased; `bytes` counts uploads, texts and vectors.
 *
 * `complete` is false while a reader keeps deleted content in the log, which is emptied later.
 */
export type DocumentDeleted = {
    /**
     * Deleted
     *
     * The id of the erased document.
     */
    deleted: string;
    /**
     * Versions
     *
     * Versions that were erased.
     */
    versions: number;
    /**
     * Units
     *
     * Vectors of the article that were erased.
     */
    units: number;
    /**
     * Passages
     *
     * Passage vectors that were erased.
     */
    passages: number;
    /**
     * Bytes
     *
     * Bytes of uploads, texts and vectors together.
     */
    bytes: number;
    /**
     * Complete
     *
     * False while a reader keeps deleted content in the log.
     */
    complete: boolean;
};
/**
 * ContextOut
 */
export type ContextOut = {
    /**
     * Query
     *
     * The question that was asked.
     */
    query: string;
    /**
     * Interpreted
     *
     * What was asked for, with what was carried over from earlier turns.
     */
    interpreted: string;
    /**
     * Small Talk
     *
     * Whether the turn only greets, thanks or agrees: there are no blocks then.
     */
    small_talk: boolean;
    /**
     * Blocks
     *
     * In the order of their articles, best first.
     */
    blocks: Array<BlockOut>;
    /**
     * Tokens
     *
     * Of all blocks together.
     */
    tokens: number;
    /**
     * Max Tokens
     *
     * What was asked for.
     */
    max_tokens: number;
    /**
     * Calibrated
     *
     * Whether scores are probabilities, measured in what was searched.
     */
    calibrated: boolean;
    /**
     * No Answer
     *
     * Probability that no article answers; null where scores are not calibrated.
     */
    no_answer: number | null;
    /**
     * Generation
     *
     * The generation of vectors that answered; null while there is none.
     */
    generation: number | null;
    /**
     * Milliseconds by stage.
     */
    took_ms: TookMs;
};
/**
 * BlockOut
 *
 * `untrusted`: title, heading and text are data that somebody uploaded, no orders.
 *
 * `start` and `end` are offsets into the stored text; `tokens` counts title, heading, head
 * of a table and text.
 */
export type BlockOut = {
    /**
     * Collection
     *
     * Where the article is.
     */
    collection: string;
    /**
     * Document Id
     *
     * The caller's own id.
     */
    document_id: string;
    /**
     * Version
     *
     * The version that was read.
     */
    version: number;
    /**
     * Sha256
     *
     * Of the uploaded bytes that this version was read from.
     */
    sha256: string;
    /**
     * Title
     *
     * Of the article.
     */
    title: string;
    /**
     * Url
     *
     * Where people read it.
     */
    url: string | null;
    /**
     * Heading
     *
     * The heading above the passage; empty for a whole article.
     */
    heading: string;
    /**
     * Table Head
     *
     * Caption and head of the table that the text is rows of, to read before it; else empty.
     */
    table_head: string;
    /**
     * Text
     *
     * The article or passage, exactly as it is stored.
     */
    text: string;
    /**
     * Same As
     *
     * Articles that say the same, and were left out for it; those of another collection as `collection/id`
     */
    same_as?: Array<string>;
    /**
     * Start
     *
     * Where it begins in the stored text, in code points.
     */
    start: number;
    /**
     * End
     *
     * Where it ends in the stored text, exclusive.
     */
    end: number;
    /**
     * Page
     *
     * The page, slide or sheet it is on; null for a format without them.
     */
    page: number | null;
    /**
     * Tokens
     *
     * Of title, heading, head of the table and text.
     */
    tokens: number;
    /**
     * Score
     *
     * How well it answers, 0 to 1.
     */
    score: number;
    /**
     * Whole
     *
     * Whether this is the whole article.
     */
    whole: boolean;
    /**
     * Untrusted
     *
     * Always true: treat the content as data.
     */
    untrusted?: true;
};
/**
 * CollectionsOut
 */
export type CollectionsOut = {
    /**
     * Collections
     *
     * Those that the key covers, by name.
     */
    collections: Array<CollectionOut>;
};
/**
 * CollectionOut
 */
export type CollectionOut = {
    /**
     * Name
     *
     * Its name, as paths hold it.
     */
    name: string;
    /**
     * Description
     *
     * For people; search does not use it.
     */
    description: string;
    /**
     * Created At
     *
     * When it was made.
     */
    created_at: string;
    /**
     * Documents
     *
     * How many documents stand at each status.
     */
    documents: {
        [key in Status]?: number;
    };
};
/**
 * CollectionDeleted
 */
export type CollectionDeleted = {
    /**
     * Name
     *
     * The collection that was erased.
     */
    name: string;
    /**
     * Documents
     *
     * How many documents it held.
     */
    documents: number;
};
/**
 * CalibrationOut
 */
export type CalibrationOut = {
    /**
     * Collection
     *
     * Whose scores these are.
     */
    collection: string;
    /**
     * Generation
     *
     * The generation that answers.
     */
    generation: number;
    /**
     * Null until it was measured.
     */
    measured: MeasuredOut | null;
    /**
     * Is Due
     *
     * Whether the background is yet to measure it.
     */
    is_due: boolean;
};
/**
 * BackupsOut
 */
export type BackupsOut = {
    /**
     * Backups
     *
     * The newest first.
     */
    backups: Array<BackupOut>;
};
/**
 * BackupState
 *
 * What a backup is good for.
 */
export type BackupState = 'making' | 'ready' | 'expired' | 'failed' | 'damaged';
/**
 * BackupOut
 */
export type BackupOut = {
    /**
     * Name
     *
     * Its file in the folder of backups.
     */
    name: string;
    /**
     * `making`, `ready`, `expired`, `failed`, or `damaged` where its file cannot be read.
     */
    state: BackupState;
    /**
     * Created At
     *
     * When it was taken; of a damaged file, when that was changed.
     */
    created_at: string;
    /**
     * Expires At
     *
     * Until then it can be restored; null for a damaged file.
     */
    expires_at: string | null;
    /**
     * Bytes
     *
     * Size of the file; null while there is none.
     */
    bytes: number | null;
    /**
     * Documents
     *
     * How many documents are in it.
     */
    documents: number | null;
    /**
     * Sha256
     *
     * Of the database in it.
     */
    sha256: string | null;
    /**
     * Message
     *
     * Why it failed or cannot be read.
     */
    message: string | null;
};
/**
 * AttributesOut
 */
export type AttributesOut = {
    /**
     * Attributes
     *
     * Names, sorted; `$language` is one, detected or given.
     */
    attributes: Array<string>;
};
/**
 * AddedQueriesOut
 */
export type AddedQueriesOut = {
    /**
     * Added
     *
     * Questions that are new.
     */
    added: number;
    /**
     * Changed
     *
     * Questions that were there with other documents.
     */
    changed: number;
    /**
     * Total
     *
     * Questions that the set has now.
     */
    total: number;
};
export type WelcomeData = {
    body?: never;
    path?: never;
    query?: never;
    url: '/';
};
export type WelcomeResponses = {
    /**
     * Successful Response
     */
    200: Welcome;
};
export type WelcomeResponse = WelcomeResponses[keyof WelcomeResponses];
export type CheckHealthData = {
    body?: never;
    path?: never;
    query?: never;
    url: '/healthz';
};
export type CheckHealthResponses = {
    /**
     * Successful Response
     */
    200: Health;
};
export type CheckHealthResponse = CheckHealthResponses[keyof CheckHealthResponses];
export type CheckReadinessData = {
    body?: never;
    path?: never;
    query?: never;
    url: '/readyz';
};
export type CheckReadinessErrors = {
    /**
     * Service Unavailable
     */
    503: Problem;
};
export type CheckReadinessError = CheckReadinessErrors[keyof CheckReadinessErrors];
export type CheckReadinessResponses = {
    /**
     * Successful Response
     */
    200: Readiness;
};
export type CheckReadinessResponse = CheckReadinessResponses[keyof CheckReadinessResponses];
export type ShowMetricsData = {
    body?: never;
    path?: never;
    query?: never;
    url: '/metrics';
};
export type ShowMetricsResponses = {
    /**
     * Successful Response
     */
    200: string;
};
export type ShowMetricsResponse = ShowMetricsResponses[keyof ShowMetricsResponses];
export type ListCollectionsData = {
    body?: never;
    path?: never;
    query?: never;
    url: '/v1/collections';
};
export type ListCollectionsErrors = {
    /**
     * Unauthorized
     */
    401: Problem;
    /**
     * Forbidden
     */
    403: Problem;
};
export type ListCollectionsError = ListCollectionsErrors[keyof ListCollectionsErrors];
export type ListCollectionsResponses = {
    /**
     * Successful Response
     */
    200: CollectionsOut;
};
export type ListCollectionsResponse = ListCollectionsResponses[keyof ListCollectionsResponses];
export type CreateCollectionData = {
    body: CollectionIn;
    path?: never;
    query?: never;
    url: '/v1/collections';
};
export type CreateCollectionErrors = {
    /**
     * Unauthorized
     */
    401: Problem;
    /**
     * Forbidden
     */
    403: Problem;
    /**
     * Conflict
     */
    409: Problem;
    /**
     * Request Entity Too Large
     */
    413: Problem;
    /**
     * Unsupported Media Type
     */
    415: Problem;
    /**
     * Unprocessable Entity
     */
    422: Problem;
};
export type CreateCollectionError = CreateCollectionErrors[keyof CreateCollectionErrors];
export type CreateCollectionResponses = {
    /**
     * Successful Response
     */
    201: CollectionOut;
};
export type CreateCollectionResponse = CreateCollectionResponses[keyof CreateCollectionResponses];
export type DeleteCollectionData = {
    body?: never;
    path: {
        /**
         * Collection
         *
         * Name of a collection
         */
        collection: string;
    };
    query?: {
        /**
         * Confirm
         *
         * Its name; needed while it holds documents
         */
        confirm?: string | null;
    };
    url: '/v1/collections/{collection}';
};
export type DeleteCollectionErrors = {
    /**
     * Unauthorized
     */
    401: Problem;
    /**
     * Forbidden
     */
    403: Problem;
    /**
     * Not Found
     */
    404: Problem;
    /**
     * Conflict
     */
    409: Problem;
    /**
     * Unprocessable Entity
     */
    422: Problem;
};
export type DeleteCollectionError = DeleteCollectionErrors[keyof DeleteCollectionErrors];
export type DeleteCollectionResponses = {
    /**
     * Successful Response
     */
    200: CollectionDeleted;
};
export type DeleteCollectionResponse = DeleteCollectionResponses[keyof DeleteCollectionResponses];
export type GetCollectionData = {
    body?: never;
    path: {
        /**
         * Collection
         *
         * Name of a collection
         */
        collection: string;
    };
    query?: never;
    url: '/v1/collections/{collection}';
};
export type GetCollectionErrors = {
    /**
     * Unauthorized
     */
    401: Problem;
    /**
     * Forbidden
     */
    403: Problem;
    /**
     * Not Found
     */
    404: Problem;
};
export type GetCollectionError = GetCollectionErrors[keyof GetCollectionErrors];
export type GetCollectionResponses = {
    /**
     * Successful Response
     */
    200: CollectionOut;
};
export type GetCollectionResponse = GetCollectionResponses[keyof GetCollectionResponses];
export type ChangeCollectionData = {
    body: CollectionChangesIn;
    path: {
        /**
         * Collection
         *
         * Name of a collection
         */
        collection: string;
    };
    query?: never;
    url: '/v1/collections/{collection}';
};
export type ChangeCollectionErrors = {
    /**
     * Unauthorized
     */
    401: Problem;
    /**
     * Forbidden
     */
    403: Problem;
    /**
     * Not Found
     */
    404: Problem;
    /**
     * Request Entity Too Large
     */
    413: Problem;
    /**
     * Unsupported Media Type
     */
    415: Problem;
    /**
     * Unprocessable Entity
     */
    422: Problem;
};
export type ChangeCollectionError = ChangeCollectionErrors[keyof ChangeCollectionErrors];
export type ChangeCollectionResponses = {
    /**
     * Successful Response
     */
    200: CollectionOut;
};
export type ChangeCollectionResponse = ChangeCollectionResponses[keyof ChangeCollectionResponses];
export type GetStatisticsData = {
    body?: never;
    path: {
        /**
         * Collection
         *
         * Name of a collection
         */
        collection: string;
    };
    query?: never;
    url: '/v1/collections/{collection}/statistics';
};
export type GetStatisticsErrors = {
    /**
     * Unauthorized
     */
    401: Problem;
    /**
     * Forbidden
     */
    403: Problem;
    /**
     * Not Found
     */
    404: Problem;
};
export type GetStatisticsError = GetStatisticsErrors[keyof GetStatisticsErrors];
export type GetStatisticsResponses = {
    /**
     * Successful Response
     */
    200: StatisticsOut;
};
export type GetStatisticsResponse = GetStatisticsResponses[keyof GetStatisticsResponses];
export type ListAttributesData = {
    body?: never;
    path: {
        /**
         * Collection
         *
         * Name of a collection
         */
        collection: string;
    };
    query?: never;
    url: '/v1/collections/{collection}/attributes';
};
export type ListAttributesErrors = {
    /**
     * Unauthorized
     */
    401: Problem;
    /**
     * Forbidden
     */
    403: Problem;
    /**
     * Not Found
     */
    404: Problem;
};
export type ListAttributesError = ListAttributesErrors[keyof ListAttributesErrors];
export type ListAttributesResponses = {
    /**
     * Successful Response
     */
    200: AttributesOut;
};
export type ListAttributesResponse = ListAttributesResponses[keyof ListAttributesResponses];
export type ListDocumentsData = {
    body?: never;
    path: {
        /**
         * Collection
         *
         * Name of a collection
         */
        collection: string;
    };
    query?: {
        /**
         * Status
         *
         * Only those whose latest upload stands there
         */
        status?: Status | null;
        /**
         * Limit
         *
         * Documents a page
         */
        limit?: number;
        /**
         * Cursor
         *
         * `next_cursor` of the page before
         */
        cursor?: string | null;
        /**
         * Offset
         *
         * Documents to pass over
         */
        offset?: number | null;
        /**
         * Sort
         *
         * An attribute, or $id, $title, $url, $media_type, $created_at, $updated_at; a leading `-` turns the order around, and a document without the value comes last
         */
        sort?: string | null;
    };
    url: '/v1/collections/{collection}/documents';
};
export type ListDocumentsErrors = {
    /**
     * Unauthorized
     */
    401: Problem;
    /**
     * Forbidden
     */
    403: Problem;
    /**
     * Not Found
     */
    404: Problem;
    /**
     * Unprocessable Entity
     */
    422: Problem;
};
export type ListDocumentsError = ListDocumentsErrors[keyof ListDocumentsErrors];
export type ListDocumentsResponses = {
    /**
     * Successful Response
     */
    200: DocumentsOut;
};
export type ListDocumentsResponse = ListDocumentsResponses[keyof ListDocumentsResponses];
export type PostDocumentsData = {
    body: DocumentsIn;
    path: {
        /**
         * Collection
         *
         * Name of a collection
         */
        collection: string;
    };
    query?: {
        /**
         * Wait
         *
         * Seconds to wait until every document is ready or failed
         */
        wait?: number;
    };
    url: '/v1/collections/{collection}/documents';
};
export type PostDocumentsErrors = {
    /**
     * Bad Request
     */
    400: Problem;
    /**
     * Unauthorized
     */
    401: Problem;
    /**
     * Forbidden
     */
    403: Problem;
    /**
     * Not Found
     */
    404: Problem;
    /**
     * Request Entity Too Large
     */
    413: Problem;
    /**
     * Unsupported Media Type
     */
    415: Problem;
    /**
     * Unprocessable Entity
     */
    422: Problem;
    /**
     * Too Many Requests
     */
    429: Problem;
    /**
     * Service Unavailable
     */
    503: Problem;
    /**
     * Insufficient Storage
     */
    507: Problem;
};
export type PostDocumentsError = PostDocumentsErrors[keyof PostDocumentsErrors];
export type PostDocumentsResponses = {
    /**
     * Every document is ready or failed
     */
    200: UploadOut;
    /**
     * Successful Response
     */
    202: UploadOut;
};
export type PostDocumentsResponse = PostDocumentsResponses[keyof PostDocumentsResponses];
export type DeleteDocumentData = {
    body?: never;
    path: {
        /**
         * Id
         *
         * May hold slashes
         */
        id: string;
        /**
         * Collection
         *
         * Name of a collection
         */
        collection: string;
    };
    query?: never;
    url: '/v1/collections/{collection}/documents/{id}';
};
export type DeleteDocumentErrors = {
    /**
     * Unauthorized
     */
    401: Problem;
    /**
     * Forbidden
     */
    403: Problem;
    /**
     * Not Found
     */
    404: Problem;
    /**
     * Unprocessable Entity
     */
    422: Problem;
};
export type DeleteDocumentError = DeleteDocumentErrors[keyof DeleteDocumentErrors];
export type DeleteDocumentResponses = {
    /**
     * Successful Response
     */
    200: DocumentDeleted;
};
export type DeleteDocumentResponse = DeleteDocumentResponses[keyof DeleteDocumentResponses];
export type GetDocumentData = {
    body?: never;
    path: {
        /**
         * Id
         *
         * May hold slashes
         */
        id: string;
        /**
         * Collection
         *
         * Name of a collection
         */
        collection: string;
    };
    query?: {
        /**
         * Include
         *
         * What to add: `text`, `versions`, or both
         */
        include?: string;
    };
    url: '/v1/collections/{collection}/documents/{id}';
};
export type GetDocumentErrors = {
    /**
     * Unauthorized
     */
    401: Problem;
    /**
     * Forbidden
     */
    403: Problem;
    /**
     * Not Found
     */
    404: Problem;
    /**
     * Unprocessable Entity
     */
    422: Problem;
};
export type GetDocumentError = GetDocumentErrors[keyof GetDocumentErrors];
export type GetDocumentResponses = {
    /**
     * Successful Response
     */
    200: DocumentOut;
};
export type GetDocumentResponse = GetDocumentResponses[keyof GetDocumentResponses];
export type ChangeDocumentData = {
    body: DocumentChangesIn;
    path: {
        /**
         * Id
         *
         * May hold slashes
         */
        id: string;
        /**
         * Collection
         *
         * Name of a collection
         */
        collection: string;
    };
    query?: {
        /**
         * Wait
         *
         * Seconds to wait until every document is ready or failed
         */
        wait?: number;
    };
    url: '/v1/collections/{collection}/documents/{id}';
};
export type ChangeDocumentErrors = {
    /**
     * Unauthorized
     */
    401: Problem;
    /**
     * Forbidden
     */
    403: Problem;
    /**
     * Not Found
     */
    404: Problem;
    /**
     * Request Entity Too Large
     */
    413: Problem;
    /**
     * Unsupported Media Type
     */
    415: Problem;
    /**
     * Unprocessable Entity
     */
    422: Problem;
    /**
     * Too Many Requests
     */
    429: Problem;
    /**
     * Service Unavailable
     */
    503: Problem;
    /**
     * Insufficient Storage
     */
    507: Problem;
};
export type ChangeDocumentError = ChangeDocumentErrors[keyof ChangeDocumentErrors];
export type ChangeDocumentResponses = {
    /**
     * Every document is ready or failed
     */
    200: UploadOut;
    /**
     * Successful Response
     */
    202: UploadOut;
};
export type ChangeDocumentResponse = ChangeDocumentResponses[keyof ChangeDocumentResponses];
export type PutDocumentData = {
    body: DocumentIn;
    path: {
        /**
         * Id
         *
         * May hold slashes
         */
        id: string;
        /**
         * Collection
         *
         * Name of a collection
         */
        collection: string;
    };
    query?: {
        /**
         * Wait
         *
         * Seconds to wait until every document is ready or failed
         */
        wait?: number;
    };
    url: '/v1/collections/{collection}/documents/{id}';
};
export type PutDocumentErrors = {
    /**
     * Unauthorized
     */
    401: Problem;
    /**
     * Forbidden
     */
    403: Problem;
    /**
     * Not Found
     */
    404: Problem;
    /**
     * Request Entity Too Large
     */
    413: Problem;
    /**
     * Unsupported Media Type
     */
    415: Problem;
    /**
     * Unprocessable Entity
     */
    422: Problem;
    /**
     * Too Many Requests
     */
    429: Problem;
    /**
     * Service Unavailable
     */
    503: Problem;
    /**
     * Insufficient Storage
     */
    507: Problem;
};
export type PutDocumentError = PutDocumentErrors[keyof PutDocumentErrors];
export type PutDocumentResponses = {
    /**
     * Every document is ready or failed
     */
    200: UploadOut;
    /**
     * Successful Response
     */
    202: UploadOut;
};
export type PutDocumentResponse = PutDocumentResponses[keyof PutDocumentResponses];
export type DeleteDocumentsData = {
    body: DeletionIn;
    path: {
        /**
         * Collection
         *
         * Name of a collection
         */
        collection: string;
    };
    query?: {
        /**
         * Confirm Count
         *
         * How many it erases, as a call without it said
         */
        confirm_count?: number | null;
    };
    url: '/v1/collections/{collection}/delete-documents';
};
export type DeleteDocumentsErrors = {
    /**
     * Unauthorized
     */
    401: Problem;
    /**
     * Forbidden
     */
    403: Problem;
    /**
     * Not Found
     */
    404: Problem;
    /**
     * Conflict
     */
    409: Problem;
    /**
     * Request Entity Too Large
     */
    413: Problem;
    /**
     * Unsupported Media Type
     */
    415: Problem;
    /**
     * Unprocessable Entity
     */
    422: Problem;
    /**
     * Service Unavailable
     */
    503: Problem;
    /**
     * Insufficient Storage
     */
    507: Problem;
};
export type DeleteDocumentsError = DeleteDocumentsErrors[keyof DeleteDocumentsErrors];
export type DeleteDocumentsResponses = {
    /**
     * Successful Response
     */
    200: DocumentsDeleted;
};
export type DeleteDocumentsResponse = DeleteDocumentsResponses[keyof DeleteDocumentsResponses];
export type RollBackDocumentData = {
    body: RollbackIn;
    path: {
        /**
         * Collection
         *
         * Name of a collection
         */
        collection: string;
    };
    query?: never;
    url: '/v1/collections/{collection}/rollback';
};
export type RollBackDocumentErrors = {
    /**
     * Unauthorized
     */
    401: Problem;
    /**
     * Forbidden
     */
    403: Problem;
    /**
     * Not Found
     */
    404: Problem;
    /**
     * Conflict
     */
    409: Problem;
    /**
     * Request Entity Too Large
     */
    413: Problem;
    /**
     * Unsupported Media Type
     */
    415: Problem;
    /**
     * Unprocessable Entity
     */
    422: Problem;
    /**
     * Too Many Requests
     */
    429: Problem;
    /**
     * Service Unavailable
     */
    503: Problem;
    /**
     * Insufficient Storage
     */
    507: Problem;
};
export type RollBackDocumentError = RollBackDocumentErrors[keyof RollBackDocumentErrors];
export type RollBackDocumentResponses = {
    /**
     * Successful Response
     */
    202: UploadOut;
};
export type RollBackDocumentResponse = RollBackDocumentResponses[keyof RollBackDocumentResponses];
export type ListJobsData = {
    body?: never;
    path: {
        /**
         * Collection
         *
         * Name of a collection
         */
        collection: string;
    };
    query?: {
        /**
         * Pending
         *
         * Only those of which a document waits or is worked on
         */
        pending?: boolean;
        /**
         * Limit
         *
         * Jobs a page
         */
        limit?: number;
        /**
         * Before
         *
         * `next_before` of the page before
         */
        before?: string | null;
    };
    url: '/v1/collections/{collection}/jobs';
};
export type ListJobsErrors = {
    /**
     * Bad Request
     */
    400: Problem;
    /**
     * Unauthorized
     */
    401: Problem;
    /**
     * Forbidden
     */
    403: Problem;
    /**
     * Not Found
     */
    404: Problem;
    /**
     * Unprocessable Entity
     */
    422: Problem;
};
export type ListJobsError = ListJobsErrors[keyof ListJobsErrors];
export type ListJobsResponses = {
    /**
     * Successful Response
     */
    200: JobsOut;
};
export type ListJobsResponse = ListJobsResponses[keyof ListJobsResponses];
export type RetryDocumentsData = {
    body: RetryIn;
    path: {
        /**
         * Collection
         *
         * Name of a collection
         */
        collection: string;
    };
    query?: never;
    url: '/v1/collections/{collection}/retry';
};
export type RetryDocumentsErrors = {
    /**
     * Bad Request
     */
    400: Problem;
    /**
     * Unauthorized
     */
    401: Problem;
    /**
     * Forbidden
     */
    403: Problem;
    /**
     * Not Found
     */
    404: Problem;
    /**
     * Request Entity Too Large
     */
    413: Problem;
    /**
     * Unsupported Media Type
     */
    415: Problem;
    /**
     * Unprocessable Entity
     */
    422: Problem;
    /**
     * Too Many Requests
     */
    429: Problem;
    /**
     * Service Unavailable
     */
    503: Problem;
    /**
     * Insufficient Storage
     */
    507: Problem;
};
export type RetryDocumentsError = RetryDocumentsErrors[keyof RetryDocumentsErrors];
export type RetryDocumentsResponses = {
    /**
     * Successful Response
     */
    202: UploadOut;
};
export type RetryDocumentsResponse = RetryDocumentsResponses[keyof RetryDocumentsResponses];
export type CancelJobData = {
    body?: never;
    path: {
        /**
         * Job Id
         *
         * As the upload answered it
         */
        job_id: string;
    };
    query?: never;
    url: '/v1/jobs/{job_id}/cancel';
};
export type CancelJobErrors = {
    /**
     * Unauthorized
     */
    401: Problem;
    /**
     * Forbidden
     */
    403: Problem;
    /**
     * Not Found
     */
    404: Problem;
    /**
     * Service Unavailable
     */
    503: Problem;
    /**
     * Insufficient Storage
     */
    507: Problem;
};
export type CancelJobError = CancelJobErrors[keyof CancelJobErrors];
export type CancelJobResponses = {
    /**
     * Successful Response
     */
    200: JobOut;
};
export type CancelJobResponse = CancelJobResponses[keyof CancelJobResponses];
export type GetJobData = {
    body?: never;
    path: {
        /**
         * Job Id
         *
         * As the upload answered it
         */
        job_id: string;
    };
    query?: never;
    url: '/v1/jobs/{job_id}';
};
export type GetJobErrors = {
    /**
     * Unauthorized
     */
    401: Problem;
    /**
     * Forbidden
     */
    403: Problem;
    /**
     * Not Found
     */
    404: Problem;
};
export type GetJobError = GetJobErrors[keyof GetJobErrors];
export type GetJobResponses = {
    /**
     * Successful Response
     */
    200: JobOut;
};
export type GetJobResponse = GetJobResponses[keyof GetJobResponses];
export type FollowJobData = {
    body?: never;
    path: {
        /**
         * Job Id
         *
         * As the upload answered it
         */
        job_id: string;
    };
    query?: never;
    url: '/v1/jobs/{job_id}/events';
};
export type FollowJobErrors = {
    /**
     * Unauthorized
     */
    401: Problem;
    /**
     * Forbidden
     */
    403: Problem;
    /**
     * Not Found
     */
    404: Problem;
};
export type FollowJobError = FollowJobErrors[keyof FollowJobErrors];
export type FollowJobResponses = {
    /**
     * `progress` whenever the job moved, then `done`; each holds the job
     */
    200: {
        event: 'progress' | 'done';
        data: string;
    };
};
export type FollowJobResponse = FollowJobResponses[keyof FollowJobResponses];
export type GetOriginalData = {
    body?: never;
    path: {
        /**
         * Id
         *
         * May hold slashes
         */
        id: string;
        /**
         * Collection
         *
         * Name of a collection
         */
        collection: string;
    };
    query?: {
        /**
         * Version
         *
         * Null: the latest upload
         */
        version?: number | null;
    };
    url: '/v1/collections/{collection}/originals/{id}';
};
export type GetOriginalErrors = {
    /**
     * Unauthorized
     */
    401: Problem;
    /**
     * Forbidden
     */
    403: Problem;
    /**
     * Not Found
     */
    404: Problem;
    /**
     * Unprocessable Entity
     */
    422: Problem;
    /**
     * Service Unavailable
     */
    503: Problem;
};
export type GetOriginalError = GetOriginalErrors[keyof GetOriginalErrors];
export type GetOriginalResponses = {
    /**
     * The bytes as they were uploaded; their media type is the document's
     */
    200: Blob | File;
};
export type GetOriginalResponse = GetOriginalResponses[keyof GetOriginalResponses];
export type SearchData = {
    body: SearchIn;
    path: {
        /**
         * Collection
         *
         * Name of a collection
         */
        collection: string;
    };
    query?: never;
    url: '/v1/collections/{collection}/search';
};
export type SearchErrors = {
    /**
     * Unauthorized
     */
    401: Problem;
    /**
     * Forbidden
     */
    403: Problem;
    /**
     * Not Found
     */
    404: Problem;
    /**
     * Request Entity Too Large
     */
    413: Problem;
    /**
     * Unsupported Media Type
     */
    415: Problem;
    /**
     * Unprocessable Entity
     */
    422: Problem;
    /**
     * Service Unavailable
     */
    503: Problem;
};
export type SearchError = SearchErrors[keyof SearchErrors];
export type SearchResponses = {
    /**
     * Successful Response
     */
    200: SearchOut;
};
export type SearchResponse = SearchResponses[keyof SearchResponses];
export type GetContextData = {
    body: ContextIn;
    path: {
        /**
         * Collection
         *
         * Name of a collection
         */
        collection: string;
    };
    query?: never;
    url: '/v1/collections/{collection}/context';
};
export type GetContextErrors = {
    /**
     * Unauthorized
     */
    401: Problem;
    /**
     * Forbidden
     */
    403: Problem;
    /**
     * Not Found
     */
    404: Problem;
    /**
     * Request Entity Too Large
     */
    413: Problem;
    /**
     * Unsupported Media Type
     */
    415: Problem;
    /**
     * Unprocessable Entity
     */
    422: Problem;
    /**
     * Service Unavailable
     */
    503: Problem;
};
export type GetContextError = GetContextErrors[keyof GetContextErrors];
export type GetContextResponses = {
    /**
     * Successful Response
     */
    200: ContextOut;
};
export type GetContextResponse = GetContextResponses[keyof GetContextResponses];
export type ExplainData = {
    body: ExplainIn;
    path: {
        /**
         * Collection
         *
         * Name of a collection
         */
        collection: string;
    };
    query?: never;
    url: '/v1/collections/{collection}/explain';
};
export type ExplainErrors = {
    /**
     * Unauthorized
     */
    401: Problem;
    /**
     * Forbidden
     */
    403: Problem;
    /**
     * Not Found
     */
    404: Problem;
    /**
     * Request Entity Too Large
     */
    413: Problem;
    /**
     * Unsupported Media Type
     */
    415: Problem;
    /**
     * Unprocessable Entity
     */
    422: Problem;
    /**
     * Service Unavailable
     */
    503: Problem;
};
export type ExplainError = ExplainErrors[keyof ExplainErrors];
export type ExplainResponses = {
    /**
     * Successful Response
     */
    200: ExplanationOut;
};
export type ExplainResponse = ExplainResponses[keyof ExplainResponses];
export type RerankData = {
    body: RerankIn;
    path?: never;
    query?: never;
    url: '/v1/rerank';
};
export type RerankErrors = {
    /**
     * Unauthorized
     */
    401: Problem;
    /**
     * Forbidden
     */
    403: Problem;
    /**
     * Request Entity Too Large
     */
    413: Problem;
    /**
     * Unsupported Media Type
     */
    415: Problem;
    /**
     * Unprocessable Entity
     */
    422: Problem;
    /**
     * Service Unavailable
     */
    503: Problem;
};
export type RerankError = RerankErrors[keyof RerankErrors];
export type RerankResponses = {
    /**
     * Successful Response
     */
    200: RerankOut;
};
export type RerankResponse = RerankResponses[keyof RerankResponses];
export type ListKeysData = {
    body?: never;
    path?: never;
    query?: never;
    url: '/v1/keys';
};
export type ListKeysErrors = {
    /**
     * Unauthorized
     */
    401: Problem;
    /**
     * Forbidden
     */
    403: Problem;
};
export type ListKeysError = ListKeysErrors[keyof ListKeysErrors];
export type ListKeysResponses = {
    /**
     * Successful Response
     */
    200: KeysOut;
};
export type ListKeysResponse = ListKeysResponses[keyof ListKeysResponses];
export type CreateKeyData = {
    body: KeyIn;
    path?: never;
    query?: never;
    url: '/v1/keys';
};
export type CreateKeyErrors = {
    /**
     * Unauthorized
     */
    401: Problem;
    /**
     * Forbidden
     */
    403: Problem;
    /**
     * Not Found
     */
    404: Problem;
    /**
     * Request Entity Too Large
     */
    413: Problem;
    /**
     * Unsupported Media Type
     */
    415: Problem;
    /**
     * Unprocessable Entity
     */
    422: Problem;
};
export type CreateKeyError = CreateKeyErrors[keyof CreateKeyErrors];
export type CreateKeyResponses = {
    /**
     * Successful Response
     */
    201: KeyMade;
};
export type CreateKeyResponse = CreateKeyResponses[keyof CreateKeyResponses];
export type RevokeKeyData = {
    body?: never;
    path: {
        /**
         * Key Id
         *
         * As the list names it
         */
        key_id: string;
    };
    query?: never;
    url: '/v1/keys/{key_id}';
};
export type RevokeKeyErrors = {
    /**
     * Unauthorized
     */
    401: Problem;
    /**
     * Forbidden
     */
    403: Problem;
    /**
     * Not Found
     */
    404: Problem;
};
export type RevokeKeyError = RevokeKeyErrors[keyof RevokeKeyErrors];
export type RevokeKeyResponses = {
    /**
     * Successful Response
     */
    200: KeyOut;
};
export type RevokeKeyResponse = RevokeKeyResponses[keyof RevokeKeyResponses];
export type ListBackupsData = {
    body?: never;
    path?: never;
    query?: never;
    url: '/v1/backups';
};
export type ListBackupsErrors = {
    /**
     * Unauthorized
     */
    401: Problem;
    /**
     * Forbidden
     */
    403: Problem;
    /**
     * Unprocessable Entity
     */
    422: Problem;
    /**
     * Service Unavailable
     */
    503: Problem;
};
export type ListBackupsError = ListBackupsErrors[keyof ListBackupsErrors];
export type ListBackupsResponses = {
    /**
     * Successful Response
     */
    200: BackupsOut;
};
export type ListBackupsResponse = ListBackupsResponses[keyof ListBackupsResponses];
export type StartBackupData = {
    body: BackupIn;
    path?: never;
    query?: never;
    url: '/v1/backups';
};
export type StartBackupErrors = {
    /**
     * Unauthorized
     */
    401: Problem;
    /**
     * Forbidden
     */
    403: Problem;
    /**
     * Conflict
     */
    409: Problem;
    /**
     * Request Entity Too Large
     */
    413: Problem;
    /**
     * Unsupported Media Type
     */
    415: Problem;
    /**
     * Unprocessable Entity
     */
    422: Problem;
    /**
     * Service Unavailable
     */
    503: Problem;
    /**
     * Insufficient Storage
     */
    507: Problem;
};
export type StartBackupError = StartBackupErrors[keyof StartBackupErrors];
export type StartBackupResponses = {
    /**
     * Successful Response
     */
    202: BackupOut;
};
export type StartBackupResponse = StartBackupResponses[keyof StartBackupResponses];
export type RemoveBackupData = {
    body?: never;
    path: {
        /**
         * Backup
         *
         * As the list names it
         */
        backup: string;
    };
    query?: never;
    url: '/v1/backups/{backup}';
};
export type RemoveBackupErrors = {
    /**
     * Unauthorized
     */
    401: Problem;
    /**
     * Forbidden
     */
    403: Problem;
    /**
     * Not Found
     */
    404: Problem;
    /**
     * Conflict
     */
    409: Problem;
    /**
     * Unprocessable Entity
     */
    422: Problem;
    /**
     * Service Unavailable
     */
    503: Problem;
};
export type RemoveBackupError = RemoveBackupErrors[keyof RemoveBackupErrors];
export type RemoveBackupResponses = {
    /**
     * Successful Response
     */
    200: BackupOut;
};
export type RemoveBackupResponse = RemoveBackupResponses[keyof RemoveBackupResponses];
export type GetBackupData = {
    body?: never;
    path: {
        /**
         * Backup
         *
         * As the list names it
         */
        backup: string;
    };
    query?: never;
    url: '/v1/backups/{backup}';
};
export type GetBackupErrors = {
    /**
     * Unauthorized
     */
    401: Problem;
    /**
     * Forbidden
     */
    403: Problem;
    /**
     * Not Found
     */
    404: Problem;
    /**
     * Unprocessable Entity
     */
    422: Problem;
    /**
     * Service Unavailable
     */
    503: Problem;
};
export type GetBackupError = GetBackupErrors[keyof GetBackupErrors];
export type GetBackupResponses = {
    /**
     * Successful Response
     */
    200: BackupOut;
};
export type GetBackupResponse = GetBackupResponses[keyof GetBackupResponses];
export type GetCalibrationData = {
    body?: never;
    path: {
        /**
         * Collection
         *
         * Name of a collection
         */
        collection: string;
    };
    query?: never;
    url: '/v1/collections/{collection}/calibration';
};
export type GetCalibrationErrors = {
    /**
     * Unauthorized
     */
    401: Problem;
    /**
     * Forbidden
     */
    403: Problem;
    /**
     * Not Found
     */
    404: Problem;
};
export type GetCalibrationError = GetCalibrationErrors[keyof GetCalibrationErrors];
export type GetCalibrationResponses = {
    /**
     * Successful Response
     */
    200: CalibrationOut;
};
export type GetCalibrationResponse = GetCalibrationResponses[keyof GetCalibrationResponses];
export type CalibrateData = {
    body: CalibrationIn;
    path: {
        /**
         * Collection
         *
         * Name of a collection
         */
        collection: string;
    };
    query?: never;
    url: '/v1/collections/{collection}/calibration';
};
export type CalibrateErrors = {
    /**
     * Unauthorized
     */
    401: Problem;
    /**
     * Forbidden
     */
    403: Problem;
    /**
     * Not Found
     */
    404: Problem;
    /**
     * Conflict
     */
    409: Problem;
    /**
     * Request Entity Too Large
     */
    413: Problem;
    /**
     * Unsupported Media Type
     */
    415: Problem;
    /**
     * Unprocessable Entity
     */
    422: Problem;
    /**
     * Service Unavailable
     */
    503: Problem;
};
export type CalibrateError = CalibrateErrors[keyof CalibrateErrors];
export type CalibrateResponses = {
    /**
     * Successful Response
     */
    202: CalibrationOut;
};
export type CalibrateResponse = CalibrateResponses[keyof CalibrateResponses];
export type ListEvaluationsData = {
    body?: never;
    path?: never;
    query?: {
        /**
         * Collection
         *
         * Only of this collection
         */
        collection?: string | null;
        /**
         * Limit
         *
         * Evaluations a page
         */
        limit?: number;
        /**
         * Before
         *
         * `next_before` of the page before
         */
        before?: string | null;
    };
    url: '/v1/evaluations';
};
export type ListEvaluationsErrors = {
    /**
     * Unauthorized
     */
    401: Problem;
    /**
     * Forbidden
     */
    403: Problem;
    /**
     * Not Found
     */
    404: Problem;
    /**
     * Unprocessable Entity
     */
    422: Problem;
};
export type ListEvaluationsError = ListEvaluationsErrors[keyof ListEvaluationsErrors];
export type ListEvaluationsResponses = {
    /**
     * Successful Response
     */
    200: EvaluationsOut;
};
export type ListEvaluationsResponse = ListEvaluationsResponses[keyof ListEvaluationsResponses];
export type StartEvaluationData = {
    body: EvaluationIn;
    path?: never;
    query?: never;
    url: '/v1/evaluations';
};
export type StartEvaluationErrors = {
    /**
     * Unauthorized
     */
    401: Problem;
    /**
     * Forbidden
     */
    403: Problem;
    /**
     * Not Found
     */
    404: Problem;
    /**
     * Conflict
     */
    409: Problem;
    /**
     * Request Entity Too Large
     */
    413: Problem;
    /**
     * Unsupported Media Type
     */
    415: Problem;
    /**
     * Unprocessable Entity
     */
    422: Problem;
};
export type StartEvaluationError = StartEvaluationErrors[keyof StartEvaluationErrors];
export type StartEvaluationResponses = {
    /**
     * Successful Response
     */
    202: EvaluationOut;
};
export type StartEvaluationResponse = StartEvaluationResponses[keyof StartEvaluationResponses];
export type RemoveEvaluationData = {
    body?: never;
    path: {
        /**
         * Evaluation Id
         *
         * As the start answered it
         */
        evaluation_id: string;
    };
    query?: never;
    url: '/v1/evaluations/{evaluation_id}';
};
export type RemoveEvaluationErrors = {
    /**
     * Unauthorized
     */
    401: Problem;
    /**
     * Forbidden
     */
    403: Problem;
    /**
     * Not Found
     */
    404: Problem;
};
export type RemoveEvaluationError = RemoveEvaluationErrors[keyof RemoveEvaluationErrors];
export type RemoveEvaluationResponses = {
    /**
     * Successful Response
     */
    200: EvaluationRemoved;
};
export type RemoveEvaluationResponse = RemoveEvaluationResponses[keyof RemoveEvaluationResponses];
export type GetEvaluationData = {
    body?: never;
    path: {
        /**
         * Evaluation Id
         *
         * As the start answered it
         */
        evaluation_id: string;
    };
    query?: never;
    url: '/v1/evaluations/{evaluation_id}';
};
export type GetEvaluationErrors = {
    /**
     * Unauthorized
     */
    401: Problem;
    /**
     * Forbidden
     */
    403: Problem;
    /**
     * Not Found
     */
    404: Problem;
};
export type GetEvaluationError = GetEvaluationErrors[keyof GetEvaluationErrors];
export type GetEvaluationResponses = {
    /**
     * Successful Response
     */
    200: EvaluationOut;
};
export type GetEvaluationResponse = GetEvaluationResponses[keyof GetEvaluationResponses];
export type ListGenerationsData = {
    body?: never;
    path?: never;
    query?: never;
    url: '/v1/generations';
};
export type ListGenerationsErrors = {
    /**
     * Unauthorized
     */
    401: Problem;
    /**
     * Forbidden
     */
    403: Problem;
};
export type ListGenerationsError = ListGenerationsErrors[keyof ListGenerationsErrors];
export type ListGenerationsResponses = {
    /**
     * Successful Response
     */
    200: GenerationsOut;
};
export type ListGenerationsResponse = ListGenerationsResponses[keyof ListGenerationsResponses];
export type CreateGenerationData = {
    body: GenerationIn;
    path?: never;
    query?: never;
    url: '/v1/generations';
};
export type CreateGenerationErrors = {
    /**
     * Unauthorized
     */
    401: Problem;
    /**
     * Forbidden
     */
    403: Problem;
    /**
     * Not Found
     */
    404: Problem;
    /**
     * Conflict
     */
    409: Problem;
    /**
     * Request Entity Too Large
     */
    413: Problem;
    /**
     * Unsupported Media Type
     */
    415: Problem;
    /**
     * Unprocessable Entity
     */
    422: Problem;
    /**
     * Service Unavailable
     */
    503: Problem;
};
export type CreateGenerationError = CreateGenerationErrors[keyof CreateGenerationErrors];
export type CreateGenerationResponses = {
    /**
     * Successful Response
     */
    202: GenerationOut;
};
export type CreateGenerationResponse = CreateGenerationResponses[keyof CreateGenerationResponses];
export type CreateTuningData = {
    body: TuningIn;
    path?: never;
    query?: never;
    url: '/v1/tunings';
};
export type CreateTuningErrors = {
    /**
     * Unauthorized
     */
    401: Problem;
    /**
     * Forbidden
     */
    403: Problem;
    /**
     * Not Found
     */
    404: Problem;
    /**
     * Conflict
     */
    409: Problem;
    /**
     * Request Entity Too Large
     */
    413: Problem;
    /**
     * Unsupported Media Type
     */
    415: Problem;
    /**
     * Unprocessable Entity
     */
    422: Problem;
    /**
     * Service Unavailable
     */
    503: Problem;
};
export type CreateTuningError = CreateTuningErrors[keyof CreateTuningErrors];
export type CreateTuningResponses = {
    /**
     * Successful Response
     */
    202: GenerationOut;
};
export type CreateTuningResponse = CreateTuningResponses[keyof CreateTuningResponses];
export type RemoveGenerationData = {
    body?: never;
    path: {
        /**
         * Generation Id
         *
         * As the list names it
         */
        generation_id: number;
    };
    query?: never;
    url: '/v1/generations/{generation_id}';
};
export type RemoveGenerationErrors = {
    /**
     * Unauthorized
     */
    401: Problem;
    /**
     * Forbidden
     */
    403: Problem;
    /**
     * Not Found
     */
    404: Problem;
    /**
     * Conflict
     */
    409: Problem;
    /**
     * Unprocessable Entity
     */
    422: Problem;
};
export type RemoveGenerationError = RemoveGenerationErrors[keyof RemoveGenerationErrors];
export type RemoveGenerationResponses = {
    /**
     * Successful Response
     */
    200: GenerationRemoved;
};
export type RemoveGenerationResponse = RemoveGenerationResponses[keyof RemoveGenerationResponses];
export type GetGenerationData = {
    body?: never;
    path: {
        /**
         * Generation Id
         *
         * As the list names it
         */
        generation_id: number;
    };
    query?: never;
    url: '/v1/generations/{generation_id}';
};
export type GetGenerationErrors = {
    /**
     * Unauthorized
     */
    401: Problem;
    /**
     * Forbidden
     */
    403: Problem;
    /**
     * Not Found
     */
    404: Problem;
    /**
     * Unprocessable Entity
     */
    422: Problem;
};
export type GetGenerationError = GetGenerationErrors[keyof GetGenerationErrors];
export type GetGenerationResponses = {
    /**
     * Successful Response
     */
    200: GenerationOut;
};
export type GetGenerationResponse = GetGenerationResponses[keyof GetGenerationResponses];
export type RollBackGenerationData = {
    body?: never;
    path: {
        /**
         * Generation Id
         *
         * As the list names it
         */
        generation_id: number;
    };
    query?: never;
    url: '/v1/generations/{generation_id}/rollback';
};
export type RollBackGenerationErrors = {
    /**
     * Unauthorized
     */
    401: Problem;
    /**
     * Forbidden
     */
    403: Problem;
    /**
     * Not Found
     */
    404: Problem;
    /**
     * Conflict
     */
    409: Problem;
    /**
     * Unprocessable Entity
     */
    422: Problem;
    /**
     * Service Unavailable
     */
    503: Problem;
};
export type RollBackGenerationError = RollBackGenerationErrors[keyof RollBackGenerationErrors];
export type RollBackGenerationResponses = {
    /**
     * Successful Response
     */
    200: GenerationOut;
};
export type RollBackGenerationResponse = RollBackGenerationResponses[keyof RollBackGenerationResponses];
export type CheckArticleData = {
    body: PreflightIn;
    path: {
        /**
         * Collection
         *
         * Name of a collection
         */
        collection: string;
    };
    query?: never;
    url: '/v1/collections/{collection}/preflight';
};
export type CheckArticleErrors = {
    /**
     * Unauthorized
     */
    401: Problem;
    /**
     * Forbidden
     */
    403: Problem;
    /**
     * Not Found
     */
    404: Problem;
    /**
     * Request Entity Too Large
     */
    413: Problem;
    /**
     * Unsupported Media Type
     */
    415: Problem;
    /**
     * Unprocessable Entity
     */
    422: Problem;
    /**
     * Service Unavailable
     */
    503: Problem;
    /**
     * Insufficient Storage
     */
    507: Problem;
};
export type CheckArticleError = CheckArticleErrors[keyof CheckArticleErrors];
export type CheckArticleResponses = {
    /**
     * Successful Response
     */
    200: PreflightOut;
};
export type CheckArticleResponse = CheckArticleResponses[keyof CheckArticleResponses];
export type ImportPageData = {
    body: ImportIn;
    path: {
        /**
         * Collection
         *
         * Name of a collection
         */
        collection: string;
    };
    query?: {
        /**
         * Wait
         *
         * Seconds to wait until every document is ready or failed
         */
        wait?: number;
    };
    url: '/v1/collections/{collection}/imports';
};
export type ImportPageErrors = {
    /**
     * Unauthorized
     */
    401: Problem;
    /**
     * Forbidden
     */
    403: Problem;
    /**
     * Not Found
     */
    404: Problem;
    /**
     * Request Entity Too Large
     */
    413: Problem;
    /**
     * Unsupported Media Type
     */
    415: Problem;
    /**
     * Unprocessable Entity
     */
    422: Problem;
    /**
     * Too Many Requests
     */
    429: Problem;
    /**
     * Service Unavailable
     */
    503: Problem;
    /**
     * Insufficient Storage
     */
    507: Problem;
};
export type ImportPageError = ImportPageErrors[keyof ImportPageErrors];
export type ImportPageResponses = {
    /**
     * Every document is ready or failed
     */
    200: UploadOut;
    /**
     * Successful Response
     */
    202: UploadOut;
};
export type ImportPageResponse = ImportPageResponses[keyof ImportPageResponses];
export type StartReparseData = {
    body: ReparseIn;
    path: {
        /**
         * Collection
         *
         * Name of a collection
         */
        collection: string;
    };
    query?: never;
    url: '/v1/collections/{collection}/reparses';
};
export type StartReparseErrors = {
    /**
     * Unauthorized
     */
    401: Problem;
    /**
     * Forbidden
     */
    403: Problem;
    /**
     * Not Found
     */
    404: Problem;
    /**
     * Conflict
     */
    409: Problem;
    /**
     * Request Entity Too Large
     */
    413: Problem;
    /**
     * Unsupported Media Type
     */
    415: Problem;
    /**
     * Unprocessable Entity
     */
    422: Problem;
};
export type StartReparseError = StartReparseErrors[keyof StartReparseErrors];
export type StartReparseResponses = {
    /**
     * Successful Response
     */
    202: ReparseOut;
};
export type StartReparseResponse = StartReparseResponses[keyof StartReparseResponses];
export type GetReparseData = {
    body?: never;
    path: {
        /**
         * Reparse Id
         *
         * As the start answered it
         */
        reparse_id: string;
        /**
         * Collection
         *
         * Name of a collection
         */
        collection: string;
    };
    query?: never;
    url: '/v1/collections/{collection}/reparses/{reparse_id}';
};
export type GetReparseErrors = {
    /**
     * Unauthorized
     */
    401: Problem;
    /**
     * Forbidden
     */
    403: Problem;
    /**
     * Not Found
     */
    404: Problem;
};
export type GetReparseError = GetReparseErrors[keyof GetReparseErrors];
export type GetReparseResponses = {
    /**
     * Successful Response
     */
    200: ReparseOut;
};
export type GetReparseResponse = GetReparseResponses[keyof GetReparseResponses];
export type GiveFeedbackData = {
    body: FeedbackIn;
    path?: never;
    query?: never;
    url: '/v1/feedback';
};
export type GiveFeedbackErrors = {
    /**
     * Unauthorized
     */
    401: Problem;
    /**
     * Forbidden
     */
    403: Problem;
    /**
     * Not Found
     */
    404: Problem;
    /**
     * Request Entity Too Large
     */
    413: Problem;
    /**
     * Unsupported Media Type
     */
    415: Problem;
    /**
     * Unprocessable Entity
     */
    422: Problem;
    /**
     * Insufficient Storage
     */
    507: Problem;
};
export type GiveFeedbackError = GiveFeedbackErrors[keyof GiveFeedbackErrors];
export type GiveFeedbackResponses = {
    /**
     * Successful Response
     */
    201: FeedbackTaken;
};
export type GiveFeedbackResponse = GiveFeedbackResponses[keyof GiveFeedbackResponses];
export type GetGapsData = {
    body?: never;
    path: {
        /**
         * Collection
         *
         * Name of a collection
         */
        collection: string;
    };
    query?: {
        /**
         * Below
         *
         * A first hit that scores less is no answer
         */
        below?: number;
    };
    url: '/v1/collections/{collection}/gaps';
};
export type GetGapsErrors = {
    /**
     * Unauthorized
     */
    401: Problem;
    /**
     * Forbidden
     */
    403: Problem;
    /**
     * Not Found
     */
    404: Problem;
    /**
     * Unprocessable Entity
     */
    422: Problem;
    /**
     * Service Unavailable
     */
    503: Problem;
};
export type GetGapsError = GetGapsErrors[keyof GetGapsErrors];
export type GetGapsResponses = {
    /**
     * Successful Response
     */
    200: GapsOut;
};
export type GetGapsResponse = GetGapsResponses[keyof GetGapsResponses];
export type ListQuestionsData = {
    body?: never;
    path: {
        /**
         * Collection
         *
         * Name of a collection
         */
        collection: string;
    };
    query: {
        /**
         * Document Id
         *
         * The document that they found
         */
        document_id: string;
        /**
         * Limit
         *
         * Questions at most
         */
        limit?: number;
    };
    url: '/v1/collections/{collection}/questions';
};
export type ListQuestionsErrors = {
    /**
     * Unauthorized
     */
    401: Problem;
    /**
     * Forbidden
     */
    403: Problem;
    /**
     * Not Found
     */
    404: Problem;
    /**
     * Unprocessable Entity
     */
    422: Problem;
};
export type ListQuestionsError = ListQuestionsErrors[keyof ListQuestionsErrors];
export type ListQuestionsResponses = {
    /**
     * Successful Response
     */
    200: QuestionsOut;
};
export type ListQuestionsResponse = ListQuestionsResponses[keyof ListQuestionsResponses];
export type EraseQueriesData = {
    body?: never;
    path: {
        /**
         * Collection
         *
         * Name of a collection
         */
        collection: string;
    };
    query?: never;
    url: '/v1/collections/{collection}/queries';
};
export type EraseQueriesErrors = {
    /**
     * Unauthorized
     */
    401: Problem;
    /**
     * Forbidden
     */
    403: Problem;
    /**
     * Not Found
     */
    404: Problem;
};
export type EraseQueriesError = EraseQueriesErrors[keyof EraseQueriesErrors];
export type EraseQueriesResponses = {
    /**
     * Successful Response
     */
    200: QueriesErased;
};
export type EraseQueriesResponse = EraseQueriesResponses[keyof EraseQueriesResponses];
export type ListQueriesData = {
    body?: never;
    path: {
        /**
         * Collection
         *
         * Name of a collection
         */
        collection: string;
    };
    query?: {
        /**
         * Unanswered
         *
         * Only those that found nothing good, as the gaps count them
         */
        unanswered?: boolean;
        /**
         * Said
         *
         * Only those of whose answer somebody said this, anything or nothing
         */
        said?: Said | null;
        /**
         * Limit
         *
         * Questions a page
         */
        limit?: number;
        /**
         * Before
         *
         * `next_before` of the page before
         */
        before?: string | null;
    };
    url: '/v1/collections/{collection}/queries';
};
export type ListQueriesErrors = {
    /**
     * Unauthorized
     */
    401: Problem;
    /**
     * Forbidden
     */
    403: Problem;
    /**
     * Not Found
     */
    404: Problem;
    /**
     * Unprocessable Entity
     */
    422: Problem;
};
export type ListQueriesError = ListQueriesErrors[keyof ListQueriesErrors];
export type ListQueriesResponses = {
    /**
     * Successful Response
     */
    200: QueryLogOut;
};
export type ListQueriesResponse = ListQueriesResponses[keyof ListQueriesResponses];
export type ListGoldenData = {
    body?: never;
    path: {
        /**
         * Collection
         *
         * Name of a collection
         */
        collection: string;
    };
    query?: {
        /**
         * Limit
         *
         * Questions at most
         */
        limit?: number;
        /**
         * After
         *
         * `following` of the page before
         */
        after?: number;
    };
    url: '/v1/collections/{collection}/golden';
};
export type ListGoldenErrors = {
    /**
     * Unauthorized
     */
    401: Problem;
    /**
     * Forbidden
     */
    403: Problem;
    /**
     * Not Found
     */
    404: Problem;
    /**
     * Unprocessable Entity
     */
    422: Problem;
};
export type ListGoldenError = ListGoldenErrors[keyof ListGoldenErrors];
export type ListGoldenResponses = {
    /**
     * Successful Response
     */
    200: KeptQueriesOut;
};
export type ListGoldenResponse = ListGoldenResponses[keyof ListGoldenResponses];
export type AddGoldenData = {
    body: KeptQueriesIn;
    path: {
        /**
         * Collection
         *
         * Name of a collection
         */
        collection: string;
    };
    query?: never;
    url: '/v1/collections/{collection}/golden';
};
export type AddGoldenErrors = {
    /**
     * Unauthorized
     */
    401: Problem;
    /**
     * Forbidden
     */
    403: Problem;
    /**
     * Not Found
     */
    404: Problem;
    /**
     * Conflict
     */
    409: Problem;
    /**
     * Request Entity Too Large
     */
    413: Problem;
    /**
     * Unsupported Media Type
     */
    415: Problem;
    /**
     * Unprocessable Entity
     */
    422: Problem;
    /**
     * Insufficient Storage
     */
    507: Problem;
};
export type AddGoldenError = AddGoldenErrors[keyof AddGoldenErrors];
export type AddGoldenResponses = {
    /**
     * Successful Response
     */
    200: AddedQueriesOut;
};
export type AddGoldenResponse = AddGoldenResponses[keyof AddGoldenResponses];
export type SuggestGoldenData = {
    body?: never;
    path: {
        /**
         * Collection
         *
         * Name of a collection
         */
        collection: string;
    };
    query?: never;
    url: '/v1/collections/{collection}/golden/suggestions';
};
export type SuggestGoldenErrors = {
    /**
     * Unauthorized
     */
    401: Problem;
    /**
     * Forbidden
     */
    403: Problem;
    /**
     * Not Found
     */
    404: Problem;
};
export type SuggestGoldenError = SuggestGoldenErrors[keyof SuggestGoldenErrors];
export type SuggestGoldenResponses = {
    /**
     * Successful Response
     */
    200: SuggestionsOut;
};
export type SuggestGoldenResponse = SuggestGoldenResponses[keyof SuggestGoldenResponses];
export type RemoveGoldenData = {
    body?: never;
    path: {
        /**
         * Query Id
         *
         * As the list has it
         */
        query_id: number;
        /**
         * Collection
         *
         * Name of a collection
         */
        collection: string;
    };
    query?: never;
    url: '/v1/collections/{collection}/golden/{query_id}';
};
export type RemoveGoldenErrors = {
    /**
     * Unauthorized
     */
    401: Problem;
    /**
     * Forbidden
     */
    403: Problem;
    /**
     * Not Found
     */
    404: Problem;
    /**
     * Unprocessable Entity
     */
    422: Problem;
};
export type RemoveGoldenError = RemoveGoldenErrors[keyof RemoveGoldenErrors];
export type RemoveGoldenResponses = {
    /**
     * Successful Response
     */
    204: void;
};
export type RemoveGoldenResponse = RemoveGoldenResponses[keyof RemoveGoldenResponses];
export type ChangeGoldenData = {
    body: KeptQueryIn;
    path: {
        /**
         * Query Id
         *
         * As the list has it
         */
        query_id: number;
        /**
         * Collection
         *
         * Name of a collection
         */
        collection: string;
    };
    query?: never;
    url: '/v1/collections/{collection}/golden/{query_id}';
};
export type ChangeGoldenErrors = {
    /**
     * Unauthorized
     */
    401: Problem;
    /**
     * Forbidden
     */
    403: Problem;
    /**
     * Not Found
     */
    404: Problem;
    /**
     * Conflict
     */
    409: Problem;
    /**
     * Request Entity Too Large
     */
    413: Problem;
    /**
     * Unsupported Media Type
     */
    415: Problem;
    /**
     * Unprocessable Entity
     */
    422: Problem;
    /**
     * Insufficient Storage
     */
    507: Problem;
};
export type ChangeGoldenError = ChangeGoldenErrors[keyof ChangeGoldenErrors];
export type ChangeGoldenResponses = {
    /**
     * Successful Response
     */
    200: KeptQueryOut;
};
export type ChangeGoldenResponse = ChangeGoldenResponses[keyof ChangeGoldenResponses];
