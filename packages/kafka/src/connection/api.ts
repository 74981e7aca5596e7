import type { FetchAnswer } from '../reading/fetch-answer.js';

/** Requests of the Kafka protocol: the fields that kafkajs encodes, and the answer as it decodes it, error codes included. */
export interface Apis {
  readonly Metadata: {
    readonly fields: { readonly topics: readonly string[]; readonly allowAutoTopicCreation: boolean };
    readonly answer: MetadataAnswer;
  };
  readonly ListOffsets: {
    readonly fields: {
      readonly isolationLevel: number;
      readonly topics: readonly TopicPartitions<{ readonly partition: number; readonly timestamp: number }>[];
    };
    readonly answer: {
      readonly responses: readonly TopicPartitions<{
        readonly partition: number;
        readonly errorCode: number;
        readonly offset: string;
      }>[];
    };
  };
  readonly Fetch: {
    readonly fields: {
      readonly isolationLevel: number;
      readonly maxWaitTime: number;
      readonly minBytes: number;
      readonly maxBytes: number;
      readonly topics: readonly TopicPartitions<{
        readonly partition: number;
        readonly fetchOffset: number;
        readonly maxBytes: number;
      }>[];
      readonly rackId: string;
    };
    readonly answer: FetchAnswer;
  };
  readonly GroupCoordinator: {
    readonly fields: { readonly groupId: string; readonly coordinatorType: number };
    readonly answer: { readonly errorCode: number; readonly coordinator: { readonly nodeId: number } & Address };
  };
  readonly JoinGroup: {
    readonly fields: {
      readonly groupId: string;
      readonly sessionTimeout: number;
      readonly rebalanceTimeout: number;
      readonly memberId: string;
      readonly groupInstanceId: string | null;
      readonly protocolType: 'consumer';
      readonly groupProtocols: readonly { readonly name: string; readonly metadata: Buffer }[];
    };
    readonly answer: JoinGroupAnswer;
  };
  readonly SyncGroup: {
    readonly fields: GroupMember & {
      readonly generationId: number;
      readonly groupAssignment: readonly { readonly memberId: string; readonly memberAssignment: Buffer }[];
    };
    readonly answer: Coded & { readonly memberAssignment: Buffer };
  };
  readonly Heartbeat: {
    readonly fields: GroupMember & { readonly groupGenerationId: number };
    readonly answer: Coded;
  };
  readonly LeaveGroup: { readonly fields: GroupMember; readonly answer: Coded };
  readonly OffsetCommit: {
    readonly fields: {
      readonly groupId: string;
      readonly groupGenerationId: number;
      readonly memberId: string;
      readonly topics: readonly TopicPartitions<{ readonly partition: number; readonly offset: string }>[];
    };
    readonly answer: { readonly responses: readonly TopicPartitions<Coded & { readonly partition: number }>[] };
  };
  readonly OffsetFetch: {
    readonly fields: {
      readonly groupId: string;
      readonly topics: readonly TopicPartitions<{ readonly partition: number }>[];
    };
    readonly answer: Coded & {
      readonly responses: readonly TopicPartitions<Coded & { readonly partition: number; readonly offset: string }>[];
    };
  };
  readonly DescribeGroups: {
    readonly fields: { readonly groupIds: readonly string[] };
    readonly answer: { readonly groups: readonly (Coded & { readonly groupId: string; readonly state: string })[] };
  };
  readonly DeleteGroups: {
    readonly fields: readonly string[];
    readonly answer: { readonly results: readonly (Coded & { readonly groupId: string })[] };
  };
  readonly InitProducerId: {
    readonly fields: { readonly transactionalId: string | null; readonly transactionTimeout: number };
    readonly answer: Coded & { readonly producerId: string; readonly producerEpoch: number };
  };
  readonly AddPartitionsToTxn: {
    readonly fields: Transaction & { readonly topics: readonly TopicPartitions<number>[] };
    readonly answer: {
      readonly errors: readonly {
        readonly topic: string;
        readonly partitionErrors: readonly (Coded & { readonly partition: number })[];
      }[];
    };
  };
  readonly EndTxn: {
    readonly fields: Transaction & { readonly transactionResult: boolean };
    readonly answer: Coded;
  };
  readonly DescribeConfigs: {
    readonly fields: {
      readonly resources: readonly {
        readonly type: number;
        readonly name: string;
        readonly configNames: readonly string[];
      }[];
      readonly includeSynonyms: boolean;
    };
    readonly answer: {
      readonly resources: readonly (Coded & {
        readonly errorMessage: string | null;
        readonly configEntries: readonly { readonly configName: string; readonly configValue: string | null }[];
      })[];
    };
  };
  readonly CreateTopics: {
    readonly fields: {
      readonly topics: readonly {
        readonly topic: string;
        readonly numPartitions: number;
        readonly configEntries: readonly { readonly name: string; readonly value: string }[];
      }[];
      readonly timeout: number;
    };
    readonly answer: {
      readonly topicErrors: readonly (Coded & { readonly topic: string; readonly errorMessage: string | null })[];
    };
  };
}

export type ApiName = keyof Apis;

interface Address {
  readonly host: string;
  readonly port: number;
}

interface Coded {
  readonly errorCode: number;
}

interface GroupMember {
  readonly groupId: string;
  readonly memberId: string;
  readonly groupInstanceId: string | null;
}

interface Transaction {
  readonly transactionalId: string;
  readonly producerId: string;
  readonly producerEpoch: number;
}

interface TopicPartitions<Partition> {
  readonly topic: string;
  readonly partitions: readonly Partition[];
}

/** What a broker knows of the cluster. */
export interface MetadataAnswer {
  readonly brokers: readonly ({ readonly nodeId: number } & Address)[];
  readonly clusterId: string | null;
  readonly controllerId: number;
  readonly topicMetadata: readonly {
    readonly topicErrorCode: number;
    readonly topic: string;
    readonly isInternal: boolean;
    readonly partitionMetadata: readonly {
      readonly partitionErrorCode: number;
      readonly partitionId: number;
      readonly leader: number;
    }[];
  }[];
}

/** What a member of a group learns when a generation begins. Only its leader is told the members. */
export interface JoinGroupAnswer extends Coded {
  readonly generationId: number;
  readonly groupProtocol: string;
  readonly leaderId: string;
  readonly memberId: string;
  readonly members: readonly { readonly memberId: string; readonly memberMetadata: Buffer }[];
}
