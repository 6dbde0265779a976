-- The event tables by month, on PostgreSQL 13 or newer. `docs/en/explanation/scaling.md` says when
-- this pays, and how to use it:
--
--     psql --single-transaction --file docs/partitions.sql
--     psql --command "SELECT cmc_partition('2027-01-01', 12)"
--
-- Afterwards the tables hold what they held, under their names, with their indexes and foreign keys.

-- The least event key of a wall clock in the zone of CMC's console: 48 bits of milliseconds, then zeros.
CREATE FUNCTION cmc_event_key(wall_clock timestamp) RETURNS uuid
LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT (lpad(to_hex((extract(epoch FROM wall_clock) * 1000)::bigint), 12, '0') || '8000b000000000000000')::uuid
$$;

-- Partitions of both tables for months, the first of them that of `first`. Run it before they begin: a month whose
-- events lie in the default partition already cannot be added.
CREATE FUNCTION cmc_add_months(first date, months integer) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    events text;
    month timestamp;
BEGIN
    FOREACH events IN ARRAY ARRAY['cmc_webhooks_deliveryevent', 'cmc_webhooks_bounceevent'] LOOP
        FOR number IN 0 .. months - 1 LOOP
            month := date_trunc('month', first::timestamp) + make_interval(months => number);
            EXECUTE format(
                'CREATE TABLE IF NOT EXISTS %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)',
                events || to_char(month, '_YYYY_MM'),
                events,
                cmc_event_key(month),
                cmc_event_key(month + interval '1 month')
            );
        END LOOP;
    END LOOP;
END
$$;

-- Both tables in partitions: `_before` is the table as it was, for events before the month of `first` and for those
-- without a usable time; then so many months; and `_other`, the default, for events of any other time.
CREATE FUNCTION cmc_partition(first date, months integer) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    events text;
    before text;
    bound uuid := cmc_event_key(date_trunc('month', first::timestamp));
    name text;
    definition text;
    statements text[];
BEGIN
    SET CONSTRAINTS ALL IMMEDIATE;
    FOREACH events IN ARRAY ARRAY['cmc_webhooks_deliveryevent', 'cmc_webhooks_bounceevent'] LOOP
        before := events || '_before';
        EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE', events);
        statements := '{}';
        -- Django's names stay those of the whole table: its later migrations use them
        FOR name, definition IN
            SELECT relname, CASE WHEN indisprimary THEN NULL ELSE pg_get_indexdef(indexrelid) END
            FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid WHERE indrelid = events::regclass
        LOOP
            statements := statements || coalesce(
                definition, format('ALTER TABLE %I ADD CONSTRAINT %I PRIMARY KEY (id)', events, name)
            );
            EXECUTE format('ALTER INDEX %I RENAME TO %I', name, left(name, 56) || '_before');
        END LOOP;
        FOR name, definition IN
            SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint
            WHERE conrelid = events::regclass AND contype = 'f'
        LOOP
            statements := statements || format('ALTER TABLE %I ADD CONSTRAINT %I %s', events, name, definition);
        END LOOP;
        EXECUTE format('ALTER TABLE %I RENAME TO %I', events, before);
        EXECUTE format('CREATE TABLE %I (LIKE %I) PARTITION BY RANGE (id)', events, before);
        FOREACH definition IN ARRAY statements LOOP
            EXECUTE definition;
        END LOOP;
        EXECUTE format('CREATE TABLE %I PARTITION OF %I DEFAULT', events || '_other', events);
    END LOOP;
    PERFORM cmc_add_months(first, months);
    FOREACH events IN ARRAY ARRAY['cmc_webhooks_deliveryevent', 'cmc_webhooks_bounceevent'] LOOP
        before := events || '_before';
        EXECUTE format('INSERT INTO %I SELECT * FROM %I WHERE id >= %L', events, before, bound);
        EXECUTE format('DELETE FROM %I WHERE id >= %L', before, bound);
        EXECUTE format(
            'ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (MINVALUE) TO (%L)', events, before, bound
        );
    END LOOP;
END
$$;
