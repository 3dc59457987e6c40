/**
 * udp-tool as a library: encrypted UDP between the machines you own.
 *
 * Server and client are the same thing, an endpoint: it answers its peers and asks them.
 */
export { type AskOptions, ask } from './ask.ts';
export { toHex } from './bytes.ts';
export { builtinCommands, help, lucky, ping, readHelp, time } from './commands/index.ts';
export { type KeyPair, keyPairFromSecret, PresharedKey, PublicKey, SecretKey } from './crypto/keys.ts';
export { diagnose, type Evidence, type Path } from './doctor/diagnose.ts';
export { type Diagnosis, type ExamineOptions, examine } from './doctor/examine.ts';
export type { Check, Finding } from './doctor/finding.ts';
export type { Cause, Subject, Suggestion } from './doctor/suggestions.ts';
export { type ErrorCode, UdpToolError, withoutSecretKeys } from './errors.ts';
export { diskError, makeFilesFolder } from './files/disk-error.ts';
export { Download, type DownloadOptions, type DownloadProgress } from './files/download.ts';
export type { ManifestEntry } from './files/manifest.ts';
export { pathProblem } from './files/names.ts';
export { type Offer, offerFromCbor, offerToCbor } from './files/offer.ts';
export { type AddOptions, type Shared, Shelf, type ShelfNews, type ShelfOptions } from './files/shelf.ts';
export { StreamDownload } from './files/stream-download.ts';
export type { Conflict } from './files/target.ts';
export type { Skipped } from './files/walk.ts';
export { FindPaths, type FindPathsOptions } from './find-paths.ts';
export { type Book, type BookFollower, bookChanges, bookOf, followBook } from './follow-book.ts';
export { jsonReplacer, jsonSafe } from './json-value.ts';
export { generateKeyPair, KeyStore, keyFolder, secretCredential, wipePresharedKeys } from './keystore.ts';
export { LanDiscovery, type LanDiscoveryOptions } from './lan/lan-discovery.ts';
export { LastSeen, type Sighting } from './last-seen.ts';
export { type MessageCommandsOptions, messageCommands } from './messages/commands.ts';
export type {
  ChatMessage,
  ConversationSummary,
  IncomingChatMessage,
  OutgoingChatMessage,
} from './messages/conversation-file.ts';
export {
  type ConversationChange,
  Conversations,
  type ConversationsOptions,
} from './messages/conversations.ts';
export { Courier, type CourierOptions } from './messages/courier.ts';
export { type Correspondent, deliver, fetchMail, keepFetching } from './messages/delivery.ts';
export { isTime, MAX_TEXT_BYTES, type Message } from './messages/message.ts';
export { MessageStore } from './messages/message-store.ts';
export { Metrics, type MetricsSource, serveMetrics } from './metrics.ts';
export { type LoadOptions, loadCommands } from './own-commands/load.ts';
export { DEFAULT_RELAY_BYTES_PER_SECOND } from './p2p/constants.ts';
export type { PathKind } from './p2p/path-notes.ts';
export {
  DEFAULT_PAIRING_PORT,
  type PairingNews,
  type PairingQuestion,
  type PairOptions,
  pair,
} from './pair.ts';
export { type PeerEntry, permissionsOf } from './peer-book.ts';
export { checkPeerName } from './peer-name.ts';
export { type Ping, type PingOptions, type PingSummary, pingPeer } from './ping.ts';
export {
  type Answer,
  type PathInfo,
  type PeerOptions,
  type Reachability,
  type ReachOptions,
  RemotePeer,
  RequestError,
  type RequestOptions,
  type StreamRequest,
  type StreamRoute,
} from './remote-peer.ts';
export {
  type ArgumentSpec,
  type Arguments,
  type Command,
  type CommandContext,
  type CommandOutput,
  type CommandSummary,
  defineCommand,
  usage,
} from './rpc/command.ts';
export type { RequestProgress } from './rpc/outcome.ts';
export {
  allowing,
  DEFAULT_ALLOW,
  denying,
  EVERY_COMMAND,
  mayCall,
  OPEN_TO_ALL,
  type Permissions,
} from './rpc/permissions.ts';
export type {
  Argv,
  ServiceFile,
  ServiceManager,
  ServiceOptions,
  ServiceScope,
  ServiceStatus,
} from './service/manager.ts';
export {
  type InstallPlan,
  installService,
  openForOwnUser,
  planInstallation,
  planRemoval,
  type RemovalPlan,
  removeService,
  SYSTEM_KEYS,
  serviceManager,
  serviceStatus,
} from './service/service.ts';
export { type Address, formatAddress } from './session/address.ts';
export type { DropReason } from './session/drop-reason.ts';
export { type FetchEnd, type FetchOptions, fetchPieces, type Giver, type Sink } from './sharing/fetch.ts';
export { type FileServerOptions, type Offers, serveFiles } from './sharing/file-server.ts';
export {
  choose as chooseOffer,
  type FindOptions,
  type Found,
  gather,
  holdersOf,
  offersOf,
} from './sharing/find.ts';
export type { IncomingPush, IncomingState } from './sharing/incoming-push.ts';
export { type PushOptions, push as pushOffer } from './sharing/push.ts';
export type { PushState } from './sharing/push-state.ts';
export { Rate } from './sharing/rate.ts';
export { type Pushed, Receiver, type ReceiverOptions } from './sharing/receiver.ts';
export type { SourceLoss } from './sharing/source.ts';
export {
  Transfer,
  type TransferOptions,
  type TransferSource,
  type TransferState,
} from './sharing/transfer.ts';
export { unfinished } from './sharing/unfinished.ts';
export { type Upload, Uploads } from './sharing/uploads.ts';
export { WatchedOffers } from './sharing/watched-offers.ts';
export type { StreamResult } from './streams/asked-stream.ts';
export {
  addressesOfThisMachine,
  nameOfThisMachine,
  peerAddLine,
  type ReadAddLine,
  readPeerAddLine,
  shellWord,
} from './this-machine.ts';
export type { Clock } from './transport/clock.ts';
export { takeInheritedSockets } from './transport/inherited-sockets.ts';
export type { ProbeResult } from './transport/probe.ts';
export { DEFAULT_PORT, formatHostPort, type HostPort, parseHostPort } from './transport/resolve.ts';
export {
  createEndpoint,
  type Drop,
  type EndpointStats,
  type RequestLog,
  type StreamQuestion,
  UdpEndpoint,
  type UdpEndpointOptions,
} from './udp-endpoint.ts';
export type { WatchEvent, WatchOptions } from './watching/watch.ts';
export type { CborValue } from './wire/cbor.ts';
export type { SeenMessage } from './wire/describe-message.ts';
export { COMMAND_NAME } from './wire/messages.ts';
export type { DatagramKind, SeenDatagram } from './wiretap.ts';
export { MAX_WORKERS, WorkerGroup, type WorkerGroupOptions } from './workers/worker-group.ts';
export { WorkerSeat } from './workers/worker-seat.ts';
