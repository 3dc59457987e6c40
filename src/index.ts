/**
 * udp-tool as a library: encrypted UDP between the machines you own.
 *
 * Server and client are the same thing, an endpoint: it answers its peers and asks them.
 */
export { builtinCommands, help, lucky, time } from './commands/index.ts';
export { type KeyPair, keyPairFromSecret, PresharedKey, PublicKey, SecretKey } from './crypto/keys.ts';
export { type ErrorCode, UdpToolError } from './errors.ts';
export { generateKeyPair, KeyStore, keyFolder, secretCredential } from './keystore.ts';
export { type LoadOptions, loadCommands } from './own-commands/load.ts';
export { checkPeerName, type PeerEntry, permissionsOf } from './peer-book.ts';
export {
  type Answer,
  type PeerOptions,
  type Reachability,
  RemotePeer,
  RequestError,
  type RequestOptions,
} from './remote-peer.ts';
export {
  type ArgumentSpec,
  type Arguments,
  type Command,
  type CommandContext,
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
export type { Clock } from './transport/clock.ts';
export { takeInheritedSockets } from './transport/inherited-sockets.ts';
export type { ProbeResult } from './transport/probe.ts';
export { DEFAULT_PORT, type HostPort, parseHostPort } from './transport/resolve.ts';
export { createEndpoint, type RequestLog, UdpEndpoint, type UdpEndpointOptions } from './udp-endpoint.ts';
export type { CborValue } from './wire/cbor.ts';
export { COMMAND_NAME } from './wire/messages.ts';
export { MAX_WORKERS, WorkerGroup, type WorkerGroupOptions } from './workers/worker-group.ts';
export { WorkerSeat } from './workers/worker-seat.ts';
