// What Airwarden's dashboards may hold: Grafana's own types, put together strictly.
//
// In @grafana/schema a panel's options, its custom field settings and its queries are open records, because they
// belong to the panel's plugin. Here each kind of panel that Airwarden uses has those of its plugin. What the
// package does not describe is described here, and named so: a query of the Prometheus data source, the fields
// that it adds to an annotation, and transformations.
import * as grafana from '@grafana/schema';
import * as model from '@grafana/schema/dist/types/raw/dashboard/x/types.gen';
import * as bargauge from '@grafana/schema/dist/types/raw/composable/bargauge/panelcfg/x/types.gen';
import * as stat from '@grafana/schema/dist/types/raw/composable/stat/panelcfg/x/types.gen';
import * as timeline from '@grafana/schema/dist/types/raw/composable/statetimeline/panelcfg/x/types.gen';
import * as table from '@grafana/schema/dist/types/raw/composable/table/panelcfg/x/types.gen';
import * as text from '@grafana/schema/dist/types/raw/composable/text/panelcfg/x/types.gen';
import * as timeseries from '@grafana/schema/dist/types/raw/composable/timeseries/panelcfg/x/types.gen';

type Empty = {};

interface PrometheusSource { type: 'prometheus'; uid: '${ds}' }

/** A query of the Prometheus data source; not part of @grafana/schema. */
interface PrometheusQuery {
  datasource: PrometheusSource;
  editorMode: 'code' | 'builder';
  expr: string;
  format: 'time_series' | 'table' | 'heatmap';
  instant: boolean;
  legendFormat: string;
  range: boolean;
  refId: string;
}

/** What the Prometheus data source adds to an annotation; not part of @grafana/schema. */
interface PrometheusAnnotation extends Omit<model.AnnotationQuery, 'datasource'> {
  datasource: PrometheusSource;
  expr: string;
  step: string;
  tagKeys: string;
  textFormat: string;
  titleFormat: string;
  useValueForTime: boolean;
}

/** The transformations in use; @grafana/schema leaves their options open. */
type Transformation =
  | { id: 'merge'; options: Empty }
  | { id: 'filterFieldsByName'; options: { include: { names: string[] } } }
  | {
      id: 'organize';
      options: {
        excludeByName: Record<string, boolean>;
        indexByName: Record<string, number>;
        renameByName: Record<string, string>;
      };
    };

/** A link of a panel or a cell: the fields of Grafana's link that a panel reads; @grafana/schema leaves them open. */
interface DataLink { title: string; url: string; targetBlank: boolean }

/** Each property of an override has the type of the setting that it overrides. */
type Property<Custom> =
  | { id: 'color'; value: model.FieldColor }
  | { id: 'decimals'; value: number }
  | { id: 'links'; value: DataLink[] }
  | { id: 'mappings'; value: model.ValueMapping[] }
  | { id: 'thresholds'; value: model.ThresholdsConfig }
  | { id: 'unit'; value: string }
  | (Custom extends { cellOptions: infer Cell } ? { id: 'custom.cellOptions'; value: Cell } : never);

interface Settings<Custom> {
  defaults: Omit<model.FieldConfig, 'custom' | 'links'> & { custom?: Custom; links?: DataLink[] };
  overrides: Array<{ matcher: { id: 'byName'; options: string }; properties: Array<Property<Custom>> }>;
}

type Common = Omit<
  model.Panel,
  'type' | 'options' | 'fieldConfig' | 'targets' | 'transformations' | 'links' | 'datasource'
> & { id: number; title: string; gridPos: model.GridPos; links?: DataLink[] };

type Asking = {
  datasource: PrometheusSource;
  targets: PrometheusQuery[];
  transformations?: Transformation[];
};

type Panel =
  | (Common & Asking & { type: 'stat'; options: stat.Options; fieldConfig: Settings<Empty> })
  | (Common & Asking & { type: 'bargauge'; options: bargauge.Options; fieldConfig: Settings<Empty> })
  | (Common & Asking & { type: 'timeseries'; options: timeseries.Options; fieldConfig: Settings<timeseries.FieldConfig> })
  | (Common & Asking & {
      type: 'state-timeline';
      options: timeline.Options;
      // The panel also reads `spanNulls`, which @grafana/schema does not give it.
      fieldConfig: Settings<timeline.FieldConfig & { spanNulls?: boolean | number }>;
    })
  | (Common & Asking & { type: 'table'; options: table.Options; fieldConfig: Settings<table.FieldConfig> })
  | (Common & { type: 'text'; options: text.Options; fieldConfig: Settings<Empty> });

type Row = Omit<model.RowPanel, 'panels'> & { panels: Panel[] };

type Variable = Omit<model.VariableModel, 'current' | 'query' | 'datasource'> & {
  // Grafana writes {} before a first choice.
  current: model.VariableOption | Empty;
  datasource?: PrometheusSource;
  /** The data source writes this itself, beside `query`; not part of @grafana/schema. */
  definition?: string;
  query: string | { query: string; refId: string };
};

/** One dashboard file of Airwarden. */
export type AirwardenDashboard = Omit<
  model.Dashboard, 'panels' | 'annotations' | 'templating' | 'schemaVersion'
> & {
  uid: string;
  title: string;
  schemaVersion: 42;
  panels: Array<Panel | Row>;
  annotations: { list: Array<model.AnnotationQuery | PrometheusAnnotation> };
  templating: { list: Variable[] };
};
